"""The deployment package: `out/package/clawback.zip`, the same bytes from the same input.

It holds what `.funcignore` leaves of the project, and the pinned dependencies for Linux x86-64 and the deployed Python
version, with byte code: the package is mounted read-only, so without it every cold start would compile again. Of the
dependencies it holds the byte code only (ADR 0011).
"""

import argparse
import fnmatch
import os
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
OUT = ROOT / "out" / "package"

PYTHON_VERSION = "3.12"
"""What infra/bicep/modules/function-app.bicep deploys."""

LIMIT_MB = 20

# Where the Functions host looks for dependencies (azure-functions-python-worker, dependency.py).
SITE_PACKAGES = Path(".python_packages") / "lib" / "site-packages"

# msgraph-sdk is 200 MB of request builders and models that no call of ours goes through (ADR 0011): we use its
# pipeline, msgraph_core and kiota. Everything else that is left out is no code.
LEFT_OUT = ("msgraph/generated/*", "*/tests/*", "tests/*", "bin/*", "*.pyi", "*.c", "*.pyx", "*.dist-info/licenses/*")

# The oldest time that a zip file can name: input, not the clock, decides the bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def interpreter() -> Path:
    """A Python of the deployed version, which alone can write its byte code.

    Raises:
        SystemExit: there is none.
    """
    found = shutil.which(f"python{PYTHON_VERSION}")
    pyenv = sorted(Path("~/.pyenv/versions").expanduser().glob(f"{PYTHON_VERSION}.*/bin/python"))
    if sys.version_info[:2] == tuple(map(int, PYTHON_VERSION.split("."))):
        return Path(sys.executable)
    if pyenv:
        return pyenv[-1]
    if found:
        return Path(found)
    raise SystemExit(f"Python {PYTHON_VERSION} is needed to write the package's byte code")


def project_files() -> Iterator[Path]:
    """What `.funcignore` leaves of the tracked files, relative to the project."""
    ignored = [
        line.strip()
        for line in (ROOT / ".funcignore").read_text(encoding="utf-8").splitlines()
        if line.strip() and not line.startswith("#")
    ]
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines():
        if not any(fnmatch.fnmatch(line.split("/", 1)[0], pattern) for pattern in ignored):
            yield Path(line)


def build(out: Path = OUT) -> Path:
    """Build the package; its path."""
    stage = out / "stage"
    shutil.rmtree(stage, ignore_errors=True)
    for path in project_files():
        (stage / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, stage / path)
    _install(stage / SITE_PACKAGES)
    _compile(stage)
    archive = out / "clawback.zip"
    _zip(stage, archive)
    return archive


def sizes(archive: Path) -> Counter[str]:
    """Compressed bytes by dependency, ours under `clawback`."""
    found: Counter[str] = Counter()
    prefix = f"{SITE_PACKAGES.as_posix()}/"
    with zipfile.ZipFile(archive) as package:
        for info in package.infolist():
            inside = info.filename.startswith(prefix)
            name = info.filename.removeprefix(prefix).split("/", 1)[0] if inside else "clawback"
            found[name.split("-", 1)[0] if name.endswith(".dist-info") else name] += info.compress_size
    return found


def _install(to: Path) -> None:
    subprocess.run(
        [
            *(str(interpreter()), "-m", "pip", "install", "-qq", "--no-deps", "--require-hashes", "--no-compile"),
            *("-r", str(ROOT / "requirements.txt"), "--target", str(to), "--only-binary=:all:"),
            *("--platform", "manylinux2014_x86_64", "--platform", "manylinux_2_28_x86_64"),
            *("--implementation", "cp", "--python-version", PYTHON_VERSION),
        ],
        check=True,
    )
    for path in sorted(to.rglob("*"), reverse=True):
        inside = path.relative_to(to).as_posix()
        if path.is_file() and any(fnmatch.fnmatch(inside, pattern) for pattern in LEFT_OUT):
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    # pip writes down when and from where it installed; the rest of the metadata is what importlib.metadata reads.
    for name in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json"):
        for path in to.glob(f"*.dist-info/{name}"):
            path.unlink()


def _compile(stage: Path) -> None:
    # Unchecked: the sources cannot change under a read-only mount, and a time stamp would change the bytes.
    how = [str(interpreter()), "-m", "compileall", "-q", "-s", str(stage), "--invalidation-mode", "unchecked-hash"]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    dependencies = stage / SITE_PACKAGES
    # -b: beside where the source was, which is where Python looks for byte code that has no source.
    subprocess.run([*how, "-b", str(dependencies)], check=True, env=environment)
    for source in dependencies.rglob("*.py"):
        source.unlink()
    ours = [str(path) for path in (stage / "function_app.py", stage / "functions", stage / "shared")]
    subprocess.run([*how, *ours], check=True, env=environment)


def _zip(stage: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
        for path in sorted(p for p in stage.rglob("*") if p.is_file()):
            info = zipfile.ZipInfo(path.relative_to(stage).as_posix(), _EPOCH)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            package.writestr(info, path.read_bytes(), compresslevel=9)


def main() -> int:
    """Build, and print the size by dependency; 1 if the package is over its budget."""
    parser = argparse.ArgumentParser(description="Build the deployment package.")
    parser.add_argument("--out", type=Path, default=OUT)
    archive = build(parser.parse_args().out)
    for name, size in sizes(archive).most_common():
        sys.stdout.write(f"{size / 1e6:8.2f} MB  {name}\n")
    total = archive.stat().st_size / 1e6
    sys.stdout.write(f"{total:8.2f} MB  {archive} (budget: {LIMIT_MB} MB)\n")
    return int(total > LIMIT_MB)


if __name__ == "__main__":
    raise SystemExit(main())
