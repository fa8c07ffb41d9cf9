(function(){
"use strict";
var cards=document.getElementById("cards"),tip=document.getElementById("tip"),dim=document.createElement("style");
document.head.appendChild(dim);
function all(selector,root){return Array.prototype.slice.call((root||document).querySelectorAll(selector))}
function kind(rect){return rect.getAttribute("class").slice(1)}
function number(rect,name){return parseFloat(rect.getAttribute(name))}
function action(rect){var key=document.getElementById("key"+kind(rect));return key?key.textContent:"?"}
function clock(seconds){var whole=Math.round(seconds),rest=whole%60;return Math.floor(whole/60)+":"+(rest<10?"0":"")+rest}

/* What is under the pointer: the action, its frames and seconds, and the truth there. */
function show(event){
  var rect=event.target.closest?event.target.closest("rect[class^=k]"):null;
  if(!rect){tip.hidden=true;return}
  var card=rect.closest("article"),fps=parseFloat(cards.dataset.fps),from=number(rect,"x"),long=number(rect,"width");
  var text=action(rect)+"\nframes "+from+" to "+(from+long)+" · "+(long/fps).toFixed(1)+" s from "+
    clock((from-parseFloat(card.dataset.start))/fps);
  var svg=rect.ownerSVGElement,box=svg.getBoundingClientRect(),view=svg.viewBox.baseVal;
  if(svg.classList.contains("prediction")){
    var at=view.x+(event.clientX-box.left)/box.width*view.width;
    var truths=all(".truth rect[class^=k]",card).filter(function(r){return number(r,"x")<=at&&at<number(r,"x")+number(r,"width")});
    if(truths.some(function(r){return kind(r)===kind(rect)}))text+="\nas in the truth";
    else if(truths.length)text+="\ntruth here: "+truths.map(action).join(", ");
  }
  tip.textContent=text;tip.hidden=false;
  var left=Math.min(event.clientX+14,window.innerWidth-tip.offsetWidth-8);
  var top=event.clientY+18+tip.offsetHeight>window.innerHeight?event.clientY-tip.offsetHeight-12:event.clientY+18;
  tip.style.left=Math.max(8,left)+"px";tip.style.top=top+"px";
}
if(cards){
  cards.addEventListener("pointermove",show);
  cards.addEventListener("pointerdown",show);
  cards.addEventListener("pointerleave",function(){tip.hidden=true});
  window.addEventListener("scroll",function(){tip.hidden=true},{passive:true});
}

/* One action alone. */
all(".key button").forEach(function(key){key.addEventListener("click",function(){
  var pressed=key.getAttribute("aria-pressed")!=="true";
  all(".key button").forEach(function(other){other.setAttribute("aria-pressed",String(other===key&&pressed))});
  dim.textContent=pressed?"rect[class^=k]:not(.k"+key.id.slice(3)+"){opacity:.13}.named span:not(.k"+key.id.slice(3)+"){opacity:.3}":"";
})});

/* Tables sort by a column; dashes go last. */
all(".sortable thead button").forEach(function(button){button.addEventListener("click",function(){
  var th=button.closest("th"),body=th.closest("table").tBodies[0],at=th.cellIndex;
  var down=th.getAttribute("aria-sort")?th.getAttribute("aria-sort")==="ascending":at>0;
  all("th",th.parentNode).forEach(function(other){other.removeAttribute("aria-sort")});
  th.setAttribute("aria-sort",down?"descending":"ascending");
  function value(row){var text=row.cells[at].textContent.replace("\u2212","-");return text==="–"?null:/^[-+]?[\d.]+( ?%| \d+)?$/.test(text)?parseFloat(text):text}
  all("tr",body).map(function(row){return[value(row),row]}).sort(function(a,b){
    if(a[0]===null||b[0]===null)return(a[0]===null)-(b[0]===null);
    var order=typeof a[0]==="number"&&typeof b[0]==="number"?a[0]-b[0]:String(a[0]).localeCompare(String(b[0]));
    return down?-order:order;
  }).forEach(function(pair){body.appendChild(pair[1])});
})});

/* Paper shows what is folded. */
var folded=[];
window.addEventListener("beforeprint",function(){folded=all("details:not([open])");folded.forEach(function(d){d.open=true})});
window.addEventListener("afterprint",function(){folded.forEach(function(d){d.open=false})});
})();
