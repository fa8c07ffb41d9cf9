"""One self-contained page: no network, no scripts from elsewhere, readable in print, in the dark and on a phone."""

from collections.abc import Sequence

from viewloom import __version__
from viewloom.report import sections
from viewloom.report.curves import curves
from viewloom.report.markup import Html, join, tag
from viewloom.report.runs import Run
from viewloom.report.tables import ScoreRow

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--ink:#1c2430;--soft:#5b6675;--line:#dfe4ea;--card:#f6f8fa;--accent:#2a66b8;
--warn:#8a5300;--warnbg:#fff3dc}
@media(prefers-color-scheme:dark){:root{--bg:#12161c;--ink:#e4e8ee;--soft:#9aa6b5;--line:#2b333e;--card:#1a2029;
--accent:#7db0f5;--warn:#ffcf7d;--warnbg:#3a2c10}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1120px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:26px;margin:0 0 4px}h2{font-size:19px;margin:44px 0 10px;padding-top:8px;border-top:1px solid var(--line)}
h3{font-size:15px;margin:22px 0 6px}h4{font-size:12px;margin:12px 0 4px;color:var(--soft);font-weight:600}
p{margin:6px 0}.note,small,figcaption{color:var(--soft)}.note{font-size:13px}
.badge{display:inline-block;background:var(--warnbg);color:var(--warn);padding:6px 12px;border-radius:6px;
font-weight:600;margin:10px 0}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:14px}
th{text-align:left;font-weight:600;color:var(--soft);font-size:12.5px;border-bottom:1px solid var(--line)}
th,td{padding:5px 10px;white-space:nowrap}td{border-bottom:1px solid var(--line)}.number{text-align:right}
.sortable th{cursor:pointer}.sortable th:hover{color:var(--accent)}
.view.ego{color:var(--accent);font-weight:600}
figure{margin:18px 0;padding:14px 16px;background:var(--card);border-radius:10px}figcaption{font-size:13px}
figcaption b{color:var(--ink);overflow-wrap:anywhere}
.strips{display:grid;grid-template-columns:minmax(70px,max-content) 1fr;gap:3px 12px;align-items:center}
.who{font-size:12.5px;color:var(--soft)}.strip{width:100%;height:20px;border-radius:3px;display:block}
.scale{display:flex;justify-content:space-between;font-size:11.5px;color:var(--soft);margin-left:82px}
.legend{display:flex;flex-wrap:wrap;gap:4px 14px;font-size:12.5px;margin:8px 0}
.key i{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:5px}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(300px,1fr));gap:12px}.plots figure{margin:0}
svg text{font-size:11px;fill:var(--soft)}.axis{stroke:var(--line)}.heat{fill:var(--accent)}svg{max-width:100%}
.pair{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:20px;align-items:start}
@media(max-width:800px){.pair{grid-template-columns:1fr}}
details{margin:8px 0}summary{cursor:pointer;color:var(--accent)}pre{background:var(--card);padding:12px;
border-radius:8px;overflow-x:auto;font-size:12.5px}
@media print{details{display:none}figure{break-inside:avoid}}
"""

SORTING = """
document.querySelectorAll('.sortable th').forEach(function(th){th.addEventListener('click',function(){
var body=th.closest('table').tBodies[0],at=th.cellIndex,down=th.dataset.down=th.dataset.down==='1'?'0':'1';
var value=function(row){var text=row.cells[at].textContent,number=parseFloat(text.replace('\\u2212','-'));
return isNaN(number)?text:number};
Array.from(body.rows).sort(function(a,b){var x=value(a),y=value(b);
return(x<y?-1:x>y?1:0)*(down==='1'?-1:1)}).forEach(function(row){body.appendChild(row)})})});
"""


def page(runs: Sequence[Run], rows: Sequence[ScoreRow], title: str, most_timelines: int, command: str) -> str:
    """The whole page as HTML."""
    body = tag(
        "main",
        header(runs, title),
        tag("h2", "Scores"),
        sections.scores(rows),
        tag("h2", "Truth and prediction"),
        sections.timelines(runs, most_timelines),
        part("Training curves", curves(runs)),
        tag("h2", "Confusions, classes, items"),
        *(details(run) for run in runs),
        tag("h2", "Settings and environment"),
        *(sections.provenance(run) for run in runs),
        tag("p", f"Made by viewloom {__version__} with: ", tag("code", command), class_="note"),
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width,initial-scale=1"),
        tag("title", title),
        tag("style", Html(STYLE)),
    )
    html = tag("html", head, tag("body", body, tag("script", Html(SORTING))), lang="en")
    return f"<!doctype html>\n{html}\n"


def header(runs: Sequence[Run], title: str) -> Html:
    """Title, what was scored, and the warnings no reader may miss."""
    first = runs[0].metrics
    data = ", ".join(dict.fromkeys(str(run.environment.get("data", "?")) for run in runs))
    facts = f"Data set {data}; split {first['split']}; protocol {first['protocol']}; {len(runs)} runs."
    marks = [tag("p", f"{run.row}: {warning}", class_="badge") for run in runs for warning in run.warnings]
    if any(run.metrics.get("simulated") for run in runs):
        text = "Simulated features: these figures say nothing about real ones."
        marks.insert(0, tag("p", text, class_="badge"))
    if len({run.metrics["protocol"] for run in runs}) > 1:
        marks.append(tag("p", "These runs were scored under different protocols and don't compare.", class_="badge"))
    return join(tag("h1", title), tag("p", facts, class_="note"), *(join(mark, tag("br")) for mark in marks))


def part(title: str, content: Html | None) -> Html | None:
    """A section, where there is something in it."""
    return None if content is None else join(tag("h2", title), content)


def details(run: Run) -> Html:
    """Confusions, classes and items of a run, folded view by view."""
    return join(
        *(
            tag(
                "details",
                tag("summary", f"{run.row}, scored on {view.name}"),
                part_h3("Most confused actions", sections.confusions(run, view)),
                part_h3("Classes", sections.classes(view)),
                part_h3("Items", sections.items(view)),
            )
            for view in run.views.values()
        )
    )


def part_h3(title: str, content: Html | None) -> Html | None:
    """A smaller section, where there is something in it."""
    return None if content is None else join(tag("h3", title), content)
