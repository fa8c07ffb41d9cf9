"""A hub on 127.0.0.1 that speaks as much of Hugging Face's protocol as downloading needs.

`Hub.files` has ``{repository: {path: content}}``; large files (`LFS_BYTES` or more) have a SHA-256 as ETag, small ones
git's hash. `Hub.tokens` are let in (empty: everybody); `Hub.gated` answers 403 to the others, else 401. A file in
`Hub.cut` ends after so many bytes, once; one in `Hub.wrong` has another content than it is said to have.
"""

import hashlib
import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LFS_BYTES = 1000


class Hub:
    def __init__(self):
        self.files: dict[str, dict[str, bytes]] = {}
        self.tokens: set[str] = set()
        self.gated = False
        self.cut: dict[str, int] = {}
        self.wrong: dict[str, bytes] = {}
        self.requests: list[tuple[str, str, str | None]] = []
        """(method, path, Range) of each request."""
        self.url = ""

    def asked(self, path: str) -> list[str | None]:
        """The ranges of a file that were asked for."""
        return [span for method, url, span in self.requests if method == "GET" and url.endswith(path)]


def _hashes(content: bytes) -> tuple[str, str | None]:
    """Git's hash of a file (or of its pointer), and its SHA-256 where it is large."""
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return blob, hashlib.sha256(content).hexdigest() if len(content) >= LFS_BYTES else None


def _entry(path: str, content: bytes) -> dict:
    blob, sha256 = _hashes(content)
    lfs = {"lfs": {"oid": sha256, "size": len(content), "pointerSize": 134}} if sha256 else {}
    return {"type": "file", "oid": blob, "size": len(content), "path": path, **lfs}


def _handler(hub: Hub):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def answer(self, code, body=b"", **headers):
            self.send_response(code)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def refused(self) -> bool:
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            if not hub.tokens or token in hub.tokens:
                return False
            if hub.gated:
                self.answer(403, b'{"error": "gated"}', X_Error_Code="GatedRepo")
            else:
                self.answer(401, b'{"error": "no such repository"}', X_Error_Code="RepoNotFound")
            return True

        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            path = unquote(urlsplit(self.path).path)
            hub.requests.append((self.command, path, self.headers.get("Range")))
            if self.refused():
                return
            for repo, files in hub.files.items():
                if path == f"/api/datasets/{repo}/revision/main" or path == f"/api/datasets/{repo}":
                    self.answer(200, json.dumps({"id": repo, "sha": COMMIT}).encode(), Content_Type="application/json")
                    return
                tree = f"/api/datasets/{repo}/tree/{COMMIT}"
                if path == tree or path.startswith(f"{tree}/"):
                    self.tree(files, path.removeprefix(tree).strip("/"))
                    return
                place = f"/datasets/{repo}/resolve/{COMMIT}/"
                if path.startswith(place) and path.removeprefix(place) in files:
                    self.file(path.removeprefix(place), files[path.removeprefix(place)])
                    return
            self.answer(404, b"{}", X_Error_Code="RepoNotFound")

        def tree(self, files, folder):
            found = [
                _entry(name, content)
                for name, content in files.items()
                if name.startswith(f"{folder}/" if folder else "")
            ]
            if not found:
                self.answer(404, b"{}", X_Error_Code="EntryNotFound")
            else:
                self.answer(200, json.dumps(found).encode(), Content_Type="application/json")

        def file(self, name, content):
            blob, sha256 = _hashes(content)
            content = hub.wrong.get(name, content)
            start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
            headers = {
                "ETag": f'"{sha256 or blob}"',
                "X_Linked_Etag": f'"{sha256 or blob}"',
                "X_Linked_Size": str(len(content)),
                "X_Repo_Commit": COMMIT,
                "Accept_Ranges": "bytes",
            }
            if start:
                headers["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            if name in hub.cut and self.command == "GET":
                length = hub.cut.pop(name)
                self.send_response(206 if start else 200)
                for key, value in {**headers, "Content-Length": str(len(content) - start)}.items():
                    self.send_header(key.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(content[start : start + length])
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            self.answer(206 if start else 200, content[start:], **headers)

    return Handler


@contextmanager
def hub_server():
    """A hub that runs meanwhile."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
