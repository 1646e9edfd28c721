#!/usr/bin/env python3
"""Set up Twinrate on a bare machine and run it. Needs only Python's standard library.

python3 run.py demo          a complete run on the emulated rig
python3 run.py test          every check the project has
python3 run.py gui           the window
python3 run.py cli ...       the twinrate program (also .venv/bin/twinrate after set-up)
python3 run.py setup         only the set-up that the others do on their own
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
OLDEST_PYTHON = (3, 10)
TYPED_PYTHON = (3, 11)
TEST_EXTRAS = "test,train"
TEST_STAMP = VENV / ".twinrate-test"
PLACE = VENV / ".twinrate-place"
# From any folder this program, whatever lies there or in PYTHONPATH under the names of its packages.
PROGRAM = f"import sys; sys.path[0] = {str(ROOT)!r}; from app.__main__ import main; main()"

# Tests whose clock runs in real time, at rates that leave a busy machine behind, have it to themselves.
ALONE = (
    "tests/app/test_bench_capture.py",
    "tests/app/test_box_by_hand.py",
    "tests/app/test_camera_as_master.py",
    "tests/app/test_capture_command.py",
    "tests/app/test_capture_killed.py",
    "tests/app/test_channel.py",
    "tests/app/test_fault_schedules.py",
    "tests/app/test_live_pairs.py",
    "tests/app/test_moved_take.py",
    "tests/app/test_pulse_test.py",
    "tests/app/test_session.py",
    "tests/app/test_session_faults.py",
    "tests/app/test_silent_streams.py",
    "tests/app/test_take_after_a_return.py",
    "tests/drivers/test_emulator.py",
    "tests/drivers/test_recorder.py",
    "tests/drivers/test_take_writing.py",
    "tests/gui/test_gui_thread.py",
    "tests/gui/test_recording_window.py",
    "tests/gui/test_unplugging.py",
    "tests/hardware",
)
# The others run side by side, those first that take longest.
LONGEST = (
    "tests/app/test_fuse.py",
    "tests/fusion",
    "tests/app/test_demo.py",
    "tests/app/test_sync_and_import.py",
    "tests/calibration",
    "tests/gui",
)

# Shared libraries that the PyQt6, OpenCV and xcb parts load, and the Debian/Ubuntu packages that hold them.
LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libOpenGL.so.0": "libopengl0",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libfontconfig.so.1": "libfontconfig1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xinerama.so.0": "libxcb-xinerama0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
}
PACKAGES_FOR = (
    "It needs a network, Python 3.10 to 3.14, and 64-bit Windows, macOS 14 or newer on Apple silicon, or "
    "Linux with glibc 2.34 or newer (Ubuntu 22.04, Debian 12, Fedora 35; on ARM glibc 2.39, Ubuntu 24.04)"
)
FONT_PACKAGE = "fonts-dejavu-core"
DISPLAY_SERVER = ("Xvfb", "xvfb")


def fail(message: str) -> None:
    """Say what is wrong and end."""
    sys.exit(f"run.py: {message}")


def say(message: str) -> None:
    """Tell what is going on, apart from the program's own output."""
    print(f"run.py: {message}", file=sys.stderr, flush=True)


def loads(library: str) -> bool:
    """Whether the system's loader finds a shared library."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing_packages(*, for_tests: bool) -> list[str]:
    """Debian packages that this machine lacks; empty on other systems."""
    if not sys.platform.startswith("linux"):
        return []
    packages = []
    for library, package in LIBRARIES.items():
        if not loads(library):
            packages.append(package)
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        packages.append(f"python3.{sys.version_info[1]}-venv")
    if not any(Path(folder).is_dir() for folder in ("/usr/share/fonts", "/usr/local/share/fonts")):
        packages.append(FONT_PACKAGE)
    if for_tests and shutil.which(DISPLAY_SERVER[0]) is None:
        packages.append(DISPLAY_SERVER[1])
    if for_tests and sys.prefix == "/usr" and not loads(f"libpython3.{sys.version_info[1]}.so.1.0"):
        # Debian's python3 is built without it; the GenICam reference implementation links to it.
        packages.append(f"libpython3.{sys.version_info[1]}")
    return packages


def elsewhere(packages: list[str]) -> str:
    """What to say where packages have other names than Debian's: libraries have the same everywhere."""
    libraries = [library for library, package in LIBRARIES.items() if package in packages]
    others = [package for package in packages if package not in LIBRARIES.values()]
    text = f"this system lacks {', '.join([*libraries, *others])}; install what holds them and run this again"
    if libraries and shutil.which("dnf") is not None:
        # Fedora's packages can be asked for by what they hold.
        text += f":\n    sudo dnf install {' '.join(repr(f'{name}()(64bit)') for name in libraries)}"
    return f"{text}\n(Debian's names of the packages: {' '.join(packages)})"


def install_packages(packages: list[str]) -> None:
    """Install Debian packages where we may, else say which command does it."""
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if shutil.which("apt-get") is None:
        fail(elsewhere(packages))
    if os.geteuid() != 0:
        both = f"sudo apt-get update && sudo {' '.join(command)}"
        fail(f"some system packages are missing; run:\n    {both}\nand then this again")
    say(f"installing system packages: {' '.join(packages)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (["apt-get", "update", "-q"], command):
        # Standard output belongs to the program that runs afterwards.
        if subprocess.run(step, env=environment, stdout=sys.stderr, check=False).returncode != 0:
            fail(f"this failed: {' '.join(step)}\nmend it, or install by hand: {' '.join(packages)}")


def venv_python() -> Path:
    """Where the project's own Python is."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def fingerprint(extras: str) -> str:
    """Changes when the set-up has to be done again."""
    digest = hashlib.sha256(f"{sys.version_info[:3]} {extras}".encode())
    digest.update(os.fsencode(ROOT))
    for name in ("setup.cfg", "pyproject.toml", "constraints.txt"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def set_up(*, for_tests: bool) -> None:
    """Make .venv as constraints.txt says, unless that was done already."""
    extras, stamp = (TEST_EXTRAS, TEST_STAMP) if for_tests else ("train", VENV / ".twinrate-run")
    packages = missing_packages(for_tests=for_tests)
    if packages:
        install_packages(packages)
    # What the tests need holds all that the program needs.
    done = {stamp: fingerprint(extras), TEST_STAMP: fingerprint(TEST_EXTRAS)}
    if any(file.is_file() and file.read_text() == wanted for file, wanted in done.items()) and works():
        return
    say("setting up .venv (once; up to 3 GB are downloaded, which takes some minutes)")
    make_venv()
    pip = [str(venv_python()), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    # Where there is no ready-made package, building one from source would fail after half an hour.
    chosen = ["--only-binary", ":all:", "-c", str(ROOT / "constraints.txt")]
    install = [*pip, *chosen, "-e", f"{ROOT}[{extras}]"]
    if subprocess.run(install, stdout=sys.stderr, check=False).returncode != 0:
        fail(f"packages could not be installed; pip says why above. {PACKAGES_FOR}; run this again")
    PLACE.write_bytes(os.fsencode(ROOT))
    stamp.write_text(done[stamp])


def works() -> bool:
    """Whether .venv can be used: a killed set-up, a newer system Python or a move leaves one that cannot."""
    if PLACE.is_file() and PLACE.read_bytes() != os.fsencode(ROOT):
        return False
    command = [str(venv_python()), "-c", "import pip"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def make_venv() -> None:
    """Make .venv, or make it anew where it cannot be used."""
    if works():
        return
    if not os.access(ROOT, os.W_OK):
        fail(f"{ROOT} cannot be written to; copy Twinrate to a folder of your own and run it there")
    # A new process, because this one may have been started before the venv module was installed.
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    if subprocess.run(command, stdout=sys.stderr, check=False).returncode != 0:
        fail(f"the virtual environment {VENV} could not be made; Python says why above")


def run(*command: str) -> int:
    """Run the project's Python on `command`; signals that end us go to it."""
    process = subprocess.Popen([str(venv_python()), *command], cwd=None)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            continue
        # As a shell has it: a program that a signal ended.
        return code if code >= 0 else 128 - code


def test(arguments: list[str]) -> int:
    """Style, types, arrows, behaviour; the first that fails decides."""
    cores = ["-n", "logical", "--maxprocesses", "4", "--dist", "loadfile", "--no-loadscope-reorder"]
    others = [f"--ignore={path}" for path in ALONE]
    whole = (
        ("tests side by side", ["-m", "pytest", *cores, *others, *LONGEST, "tests"]),
        ("tests in real time", ["-m", "pytest", *ALONE]),
    )
    checks = (
        ("style", ["-m", "ruff", "check", "."]),
        ("format", ["-m", "ruff", "format", "--check", "."]),
        ("types", ["-m", "mypy", "-n", "2"]),
        ("arrows", ["-c", "from importlinter.cli import lint_imports_command as c; c()"]),
        *((("tests", ["-m", "pytest", *arguments]),) if arguments else whole),
    )
    os.chdir(ROOT)
    for name, command in checks:
        if name == "types" and sys.version_info < TYPED_PYTHON:
            say("types: left out, since numpy's are told apart only by versions that need a newer Python")
            continue
        say(f"{name} ...")
        code = run(*command)
        if code != 0:
            say(f"{name} failed")
            return code
    return 0


def main() -> int:
    """Parse the one word this script knows and do it."""
    if sys.version_info < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        fail(f"Python {oldest} or newer is needed, this is {sys.version.split()[0]}")
    word, *arguments = sys.argv[1:] or ["help"]
    if word not in ("setup", "demo", "test", "gui", "cli"):
        print(__doc__, end="")
        return 0 if word in ("help", "-h", "--help") else 2
    set_up(for_tests=word == "test")
    if word == "setup":
        return 0
    if word == "test":
        return test(arguments)
    return run("-c", PROGRAM, *([] if word == "cli" else [word]), *arguments)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        fail("stopped; run this again to go on")
