"""The project's checks: `nox -s tests`, `lint`, `typecheck`, `bench`, `docs`.

Every install goes through constraints.txt, which pins what was tested (torch's CPU build too).
"""

from __future__ import annotations

import nox

nox.options.sessions = ["lint", "typecheck", "tests"]
nox.options.default_venv_backend = "venv"

CONSTRAINTS = ("-c", "constraints.txt")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the test suite; arguments go to pytest."""
    session.install(*CONSTRAINTS, ".[all,test]")
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format with ruff."""
    session.install(*CONSTRAINTS, "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def typecheck(session: nox.Session) -> None:
    """Check types with mypy --strict."""
    session.install(*CONSTRAINTS, "-e", ".", "mypy", "types-PyYAML", "pillow", "huggingface_hub")
    session.run("mypy")


@nox.session
def bench(session: nox.Session) -> None:
    """Print the benchmark table: ratios measured in one run."""
    session.install(*CONSTRAINTS, ".[all,bench]")
    session.run("python", "benchmarks/run.py", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation site, strictly."""
    session.install(*CONSTRAINTS, ".[docs]")
    session.run("mkdocs", "build", "--strict", *session.posargs)
