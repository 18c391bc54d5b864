"""The OpenAPI document, and whether the server keeps to it under all requests."""

import subprocess
import sys
from pathlib import Path

from orchestrator.http.access import Limits
from orchestrator.http.routes import ROUTES
from tests.fleet import Fleet
from tests.http.clients import MainClient, ServerClient
from tests.http.conftest import LoginDsn, Serve

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
# Each of them is a promise of the document or of every server. No route documents 500.
CHECKS = (
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)


def test_it_answers_every_request_as_its_document_says(
    serve: Serve, fleet: Fleet, login_dsn: LoginDsn, tmp_path: Path
) -> None:
    face = serve(dsn=login_dsn("worker", "reader", "admin"), limits=Limits(rate=0))
    MainClient(face, "0").register()  # an id that a generator finds
    ServerClient(face, "1").register()
    # time stands still, so another address under a name is a rival for ever
    fleet.set("http_hold", "0 seconds")
    fleet.add_streams(5)
    fleet.settle()
    document = face.get("/openapi.json")
    described = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    assert described == {(route.path, route.method) for route in ROUTES}

    done = subprocess.run(
        [
            str(SCHEMATHESIS), "run", f"{face.url}/openapi.json", "--checks", ",".join(CHECKS),
            "--max-examples", "15", "--generation-deterministic", "--no-color", "--request-timeout", "60",
            "--suppress-health-check", "all", "--max-time", "30",
        ],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert face.http.get("/readyz").status_code == 200
