"""A hub on the loopback: what huggingface_hub asks of https://huggingface.co, from memory, with faults on demand.

Routes: https://huggingface.co/docs/hub/api. Run the code under test in another process, with `environment()`: huggingface_hub reads
its settings once, when it is imported.
"""

import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

COMMIT = "a" * 40
Files = Mapping[str, bytes]


class Fault(NamedTuple):
    """What goes wrong with requests whose path ends in `path`, the first `times` of them."""

    path: str
    status: int = 200
    code: str = ""
    """The hub's own name of an error, e.g. GatedRepo."""
    drop_after: int | None = None
    """Close the connection after so many bytes of the body."""
    body: bytes | None = None
    """Another body than the file's, well formed."""
    stall_after: int | None = None
    """Send so many bytes of the body and then nothing, until the server stops."""
    drip_s: float | None = None
    """Send the body byte by byte, with so many seconds between."""
    times: int = 1000
    headers: tuple[tuple[str, str], ...] = (("Retry-After", "0"),)
    """Beside the hub's own, where the status is an error or the body another one."""


class Asked(NamedTuple):
    """A request as it came."""

    path: str
    range: str | None


class HubServer:
    """Dataset repositories, each at one commit; files named in `lfs` are listed as large-file storage lists them."""

    def __init__(
        self,
        repositories: Mapping[str, Files],
        lfs: Sequence[str] = (),
        faults: Sequence[Fault] = (),
        commit: str = COMMIT,
    ) -> None:
        self.repositories = dict(repositories)
        self.lfs = set(lfs)
        self.faults = {fault: fault.times for fault in faults}
        self.commit = commit
        self.stopped = Event()
        self.asked: list[Asked] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> "HubServer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        self.stopped.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def environment(self, home: Path) -> dict[str, str]:
        """Return the variables for the process that asks; its caches are in `home`."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home / "huggingface"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": "0",
            "RERANK_EVAL_CACHE": str(home / "cache"),
        }

    def fetched(self, path: str) -> list[str | None]:
        """Return the range that each request for a file asked for; None for the whole file."""
        return [asked.range for asked in self.asked if asked.path.endswith(f"/resolve/{self.commit}/{path}")]

    def fault(self, path: str) -> Fault | None:
        for fault, left in self.faults.items():
            if left and path.endswith(fault.path):
                self.faults[fault] = left - 1
                return fault
        return None

    def tree(self, name: str) -> list[dict[str, object]]:
        entries = []
        for path, content in self.repositories[name].items():
            oid = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            entry: dict[str, object] = {"type": "file", "path": path, "size": len(content), "oid": oid}
            if path in self.lfs:
                entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
            entries.append(entry)
        return entries


def _handler(hub: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *arguments: object) -> None:
            """Keep stderr for the tests."""

        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.asked.append(Asked(path, self.headers.get("Range")))
            fault = hub.fault(path)
            if fault is not None and fault.status != 200:
                return self._answer(
                    fault.status, b'{"error": "a fault"}', {"X-Error-Code": fault.code, **dict(fault.headers)}
                )
            status, body, headers = self._find(path)
            if fault is not None and fault.body is not None:
                body, headers = fault.body, {**headers, **dict(fault.headers)}
            if fault is not None and fault.stall_after is not None:
                self._answer(status, body, headers, fault.stall_after)
                self.wfile.flush()
                hub.stopped.wait()
            elif fault is not None and fault.drip_s is not None:
                self._answer(status, body, headers, 0)
                with suppress(ConnectionError):
                    for place in range(len(body)):
                        self.wfile.write(body[place : place + 1])
                        if hub.stopped.wait(fault.drip_s):
                            break
            else:
                self._answer(status, body, headers, None if fault is None else fault.drop_after)

        def _find(self, path: str) -> tuple[int, bytes, dict[str, str]]:
            if found := re.fullmatch(r"/api/datasets/([^/]+/[^/]+)/tree/([^/]+)/?", path):
                if found[1] not in hub.repositories:
                    return 404, b"{}", {"X-Error-Code": "RepoNotFound"}
                if found[2] != hub.commit:
                    return 404, b"{}", {"X-Error-Code": "RevisionNotFound"}
                return 200, json.dumps(hub.tree(found[1])).encode(), {}
            found = re.fullmatch(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
            content = hub.repositories.get(found[1], {}).get(found[3]) if found else None
            if content is None:
                return 404, b"{}", {"X-Error-Code": "EntryNotFound"}
            start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if start is None:
                return 200, content, {"Accept-Ranges": "bytes"}
            span = f"bytes {start[1]}-{len(content) - 1}/{len(content)}"
            return 206, content[int(start[1]) :], {"Content-Range": span}

        def _answer(self, status: int, body: bytes, headers: Mapping[str, str], drop_after: int | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[:drop_after])
            self.close_connection = drop_after is not None

    return Handler


def parquet(rows: Sequence[Mapping[str, object]]) -> bytes:
    """Return a Parquet file with the rows."""
    import pyarrow
    from pyarrow.parquet import write_table

    buffer = io.BytesIO()
    write_table(pyarrow.Table.from_pylist([dict(row) for row in rows]), buffer)
    return buffer.getvalue()


def jsonl(rows: Sequence[Mapping[str, object]]) -> bytes:
    """Return JSON lines with the rows."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def readme(configs: Mapping[str, Mapping[str, str]]) -> bytes:
    """Return a dataset card that names config -> split -> path of the files."""
    lines = ["---", "configs:"]
    for config, splits in configs.items():
        lines += [f"- config_name: {config}", "  data_files:"]
        for split, path in splits.items():
            lines += [f"  - split: {split}", f"    path: {path}"]
    return "\n".join([*lines, "---", "# A dataset", ""]).encode()


DOCUMENTS = [{"_id": f"d{i}", "title": f"Title {i}", "text": f"text number {i}"} for i in range(5)]
QUERIES = [
    {"_id": "q1", "text": "number one"},
    {"_id": "q2", "text": "number two"},
    {"_id": "q3", "text": "of no split"},
]
JUDGMENTS = [{"query-id": "q1", "corpus-id": "d1", "score": 1}, {"query-id": "q2", "corpus-id": "d2", "score": 2}]
TABLE = "query-id\tcorpus-id\tscore\n" + "".join(
    f"{row['query-id']}\t{row['corpus-id']}\t{row['score']}\n" for row in JUDGMENTS
)


def beir(documents: Sequence[Mapping[str, object]] = DOCUMENTS) -> dict[str, Files]:
    """Return the layout of BeIR/* and BeIR/*-qrels."""
    card = readme({"corpus": {"corpus": "corpus/*"}, "queries": {"queries": "queries/*"}})
    half = len(documents) // 2
    return {
        "BeIR/tiny": {
            "README.md": card,
            "corpus/corpus-00000-of-00002.parquet": parquet(documents[:half]),
            "corpus/corpus-00001-of-00002.parquet": parquet(documents[half:]),
            "queries/queries-00000-of-00001.parquet": parquet(QUERIES),
        },
        "BeIR/tiny-qrels": {"README.md": b"# no front matter", "test.tsv": TABLE.encode(), "train.tsv": TABLE.encode()},
    }


def mteb(
    documents: bytes = jsonl(DOCUMENTS), queries: bytes = jsonl(QUERIES), judgments: bytes = jsonl(JUDGMENTS)
) -> dict[str, Files]:
    """Return the layout of mteb/*."""
    card = readme(
        {
            "default": {"test": "qrels/test.jsonl", "train": "qrels/train.jsonl"},
            "corpus": {"corpus": "corpus.jsonl"},
            "queries": {"queries": "queries.jsonl"},
        }
    )
    files = {"corpus.jsonl": documents, "queries.jsonl": queries, "qrels/test.jsonl": judgments}
    return {"mteb/tiny": {"README.md": card, **files}}


def nanobeir() -> dict[str, Files]:
    """Return the layout of NanoBEIR: one split, no titles, and no grades."""
    parts: dict[str, Sequence[Mapping[str, object]]] = {
        "corpus": [{"_id": row["_id"], "text": row["text"]} for row in DOCUMENTS],
        "queries": QUERIES[:2],
        "qrels": [{"query-id": row["query-id"], "corpus-id": row["corpus-id"]} for row in JUDGMENTS],
    }
    files = {f"{part}/train-00000-of-00001.parquet": parquet(rows) for part, rows in parts.items()}
    return {"zeta-alpha-ai/NanoTiny": {"README.md": readme({p: {"train": f"{p}/train-*"} for p in parts}), **files}}
