"""A server on this machine that speaks as much of the Hub's protocol as a push and a download take.

Repositories are made, asked for, committed to (ndjson; small files in it, large ones put before as LFS objects),
and their files resolved, with the headers that the client keys its cache by.
"""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKEN = "hf_test"
DATE = "2026-01-01T00:00:00.000Z"


class Hub(ThreadingHTTPServer):
    """The repositories, and what was asked.

    Attributes:
        repos: {name: {"private": bool, "gated": bool, "commits": [{file: bytes}]}}.
        objects: LFS objects by hash.
        asked: (method, path, token) of every request.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repos, self.objects, self.asked = {}, {}, []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, name, files, private=False, gated=False):
        """A repository with a commit."""
        self.repos[name] = {"private": private, "gated": gated, "commits": [dict(files)]}

    def files(self, name):
        """The files of the latest commit."""
        return self.repos[name]["commits"][-1]


@contextmanager
def running_hub():
    """A hub while the block lasts."""
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()


def commit_id(repo, place):
    """40 hexadecimal digits for the commit at a place of a repository's."""
    return hashlib.sha1(f"{repo}-{place}".encode()).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, value=None, status=200, headers=None, body=None):
        data = body if body is not None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if body is None:
            self.send_header("Content-Type", "application/json")
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def refuse(self, status, code, text=""):
        self.answer({"error": text or code}, status, {"X-Error-Code": code, "X-Error-Message": text or code})

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    @property
    def token(self):
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def handled(self):
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append((self.command, path, self.token))
        return path

    def repo(self, name):
        """The repository, or an answer that refuses it."""
        repo = self.server.repos.get(name)
        if repo is None or (repo["private"] and self.token != TOKEN):
            self.refuse(401, "RepoNotFound", "Repository not found")
            return None
        return repo

    def commit_of(self, name, revision):
        """Files and id of a revision, or an answer that there is none."""
        repo = self.repo(name)
        if repo is None:
            return None
        ids = [commit_id(name, place) for place in range(len(repo["commits"]))]
        if revision in ("main", None):
            return repo["commits"][-1], ids[-1]
        if revision in ids:
            return repo["commits"][ids.index(revision)], revision
        self.refuse(404, "RevisionNotFound", "Revision not found")
        return None

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.handled()
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            return self.info("/".join(parts[2:4]), parts)
        if len(parts) > 4 and parts[2] == "resolve":
            return self.resolved("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        return self.refuse(404, "NotFound")

    def info(self, name, parts):
        tree = "tree" in parts
        revision = parts[parts.index("tree") + 1] if tree else parts[5] if "revision" in parts else "main"
        found = self.commit_of(name, revision)
        if found is None:
            return None
        files, sha = found
        if tree:
            listed = [
                {"type": "file", "path": file, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for file, data in files.items()
            ]
            return self.answer(listed)
        siblings = [{"rfilename": file} for file in files]
        facts = {"id": name, "modelId": name, "sha": sha, "siblings": siblings, "lastModified": DATE, "tags": []}
        return self.answer(facts | {"private": self.server.repos[name]["private"], "downloads": 0, "likes": 0})

    def resolved(self, name, revision, file):
        found = self.commit_of(name, revision)
        if found is None:
            return None
        files, sha = found
        if self.server.repos[name]["gated"] and self.token != TOKEN:
            return self.refuse(403, "GatedRepo", "Access is restricted")
        if file not in files:
            return self.refuse(404, "EntryNotFound", "Entry not found")
        data = files[file]
        headers = {"X-Repo-Commit": sha, "ETag": f'"{hashlib.sha256(data).hexdigest()}"', "Accept-Ranges": "bytes"}
        return self.answer(headers=headers, body=data)

    def do_PUT(self):
        path = self.handled()
        data = self.body()
        assert hashlib.sha256(data).hexdigest() == path.rpartition("/")[2]
        self.server.objects[path.rpartition("/")[2]] = data
        return self.answer({})

    def do_POST(self):
        path, data = self.handled(), self.body()
        if path.startswith("/objects/"):
            return self.answer({})
        if self.token != TOKEN:
            return self.refuse(401, "Unauthorized", "Invalid token")
        if path == "/api/repos/create":
            return self.made(json.loads(data))
        name = "/".join(path.strip("/").split("/")[2:4])
        if path.endswith("/preupload/main"):
            asked = json.loads(data)["files"]
            modes = [("lfs" if file["path"].endswith(".safetensors") else "regular") for file in asked]
            told = [
                {"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": None}
                for file, mode in zip(asked, modes, strict=True)
            ]
            return self.answer({"files": told})
        if path.endswith(".git/info/lfs/objects/batch"):
            return self.batch(json.loads(data))
        if path.endswith("/commit/main"):
            return self.committed(name, data)
        return self.answer({})

    def made(self, asked):
        name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else f"me/{asked['name']}"
        if name in self.server.repos:
            there = {"error": "You already created this model repo", "url": f"{self.server.url}/{name}", "name": name}
            return self.answer(there, 409)
        private = asked.get("private", asked.get("visibility") == "private")
        self.server.repos[name] = {"private": bool(private), "gated": False, "commits": [{".gitattributes": b""}]}
        return self.answer({"url": f"{self.server.url}/{name}", "name": name})

    def batch(self, asked):
        objects = [
            {
                "oid": entry["oid"],
                "size": entry["size"],
                "actions": {"upload": {"href": f"{self.server.url}/objects/{entry['oid']}"}},
            }
            for entry in asked["objects"]
        ]
        return self.answer({"transfer": "basic", "objects": objects})

    def committed(self, name, data):
        repo = self.repo(name)
        if repo is None:
            return None
        files = dict(repo["commits"][-1])
        for line in filter(None, data.split(b"\n")):
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.server.objects[value["oid"]]
        repo["commits"].append(files)
        sha = commit_id(name, len(repo["commits"]) - 1)
        url = f"{self.server.url}/{name}/commit/{sha}"
        return self.answer({"success": True, "commitOid": sha, "commitUrl": url})
