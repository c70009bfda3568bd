"""The repository as a whole: what is tracked, what the papers say, what other machines read."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
LARGEST = 1_000_000
PAPERS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]

# Assembled from pieces, so that this file does not hold what it looks for.
REGISTRIES = [
    ".".join(parts)
    for parts in [
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("deb", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("anaconda", "org"),
        ("anaconda", "com"),
        ("prefix", "dev"),
    ]
]
UNFINISHED = [
    "TO" + "DO",
    "FIX" + "ME",
    "X" * 3,
    "T" + "BD",
    "W" + "IP",
    "lorem " + "ipsum",
    "<" * 7,
]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def run(*command):
    """Run a tool of the environment; its report is the message if it fails."""
    tool, *arguments = command
    done = subprocess.run([BIN / tool, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def files():
    """Files that are tracked or would be, so that a fault is found before it is committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    assert found, "git lists no files"
    return found


@pytest.fixture(scope="module")
def lines(files):
    """Every line of every text file, as (place, line)."""
    found = []
    for name in files:
        try:
            text = read(name)
        except UnicodeDecodeError:
            continue
        found += [(f"{name}:{i}", line) for i, line in enumerate(text.splitlines(), start=1)]
    return found


@pytest.fixture(scope="module")
def project():
    return tomllib.loads(read("pyproject.toml"))


@pytest.fixture(scope="module")
def citation():
    return yaml.safe_load(read("CITATION.cff"))


@pytest.fixture(scope="module")
def address():
    return yaml.safe_load(read("_config.yml"))["repository"]["url"]


@pytest.fixture(scope="module")
def blocks():
    """One block of the lock for each package: the requirement and the lines below it."""
    found = re.split(r"\n(?=\S)", read("requirements.txt").strip())
    return [block for block in found if not block.startswith("#")]


@pytest.fixture(scope="module")
def locked(blocks):
    return [Requirement(block.split("\\\n")[0]) for block in blocks]


@pytest.fixture(scope="module")
def wanted(project):
    groups = project["dependency-groups"].values()
    listed = [
        *project["project"]["dependencies"],
        *(line for group in groups for line in group),
    ]
    return [want for line in listed if (want := Requirement(line)).name != "lmm-large"]


def matches(lines, pattern, flags=0):
    """Places whose line holds `pattern`, each with what was found there."""
    search = re.compile(pattern, flags).search
    return [f"{place}: {hit[0]}" for place, line in lines if (hit := search(line))]


class TestTrackedFiles:
    def test_no_file_is_large(self, files):
        sizes = {name: (ROOT / name).stat().st_size for name in files}
        assert {name: size for name, size in sizes.items() if size > LARGEST} == {}

    def test_no_second_lock(self, files):
        assert [name for name in files if Path(name).name == "uv.lock"] == []

    def test_no_registry_host(self, lines):
        hosts = "|".join(re.escape(host) for host in REGISTRIES)
        assert matches(lines, rf"(?<![\w-])(?:{hosts})(?![\w-])", re.IGNORECASE) == []

    def test_no_path_of_this_machine(self, lines):
        places = {str(place) for place in (ROOT, Path.home()) if len(place.parts) > 1}
        paths = "|".join(re.escape(place) for place in places)
        assert matches(lines, rf"(?<![\w.~}})/-])(?:{paths})(?![\w-])") == []

    def test_no_unfinished_work(self, lines):
        markers = "|".join(re.escape(marker) for marker in UNFINISHED)
        assert matches(lines, rf"(?<!\w)(?:{markers})(?!\w)") == []


class TestPapers:
    @pytest.mark.parametrize("command", ["make book", "make test"])
    def test_readme_names_both_commands(self, command):
        assert command in read("README.md").splitlines()

    @pytest.mark.parametrize("paper", PAPERS)
    def test_commands_exist(self, paper):
        targets = re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE)
        named = re.findall(r"(?:^|`)make ([a-z]+)", read(paper), re.MULTILINE)
        assert set(named) <= set(targets)

    @pytest.mark.parametrize("paper", PAPERS)
    def test_links_lead_somewhere(self, paper):
        prose = re.sub(r"```.*?```|`[^`\n]*`", "", read(paper), flags=re.DOTALL)
        links = re.findall(r"\]\((?!https?:|#)([^)#]+)", prose)
        assert [link for link in links if not (ROOT / link).exists()] == []

    def test_readme_spells_the_public_address(self, address):
        owner, name = address.split("/")[-2:]
        readme = read("README.md")
        assert set(re.findall(r"https://github\.com/[\w.-]+/[\w.-]+", readme)) == {address}
        assert set(re.findall(r"mybinder\.org/v2/gh/([\w.-]+/[\w.-]+)/", readme)) == {
            f"{owner}/{name}"
        }
        assert set(re.findall(r"https://[\w-]+\.github\.io/[\w-]+", readme)) == {site(address)}

    def test_citation_spells_the_public_address(self, address, citation):
        assert citation["repository-code"] == address
        assert citation["url"] == citation["preferred-citation"]["url"] == site(address)

    def test_versions_agree(self, project, citation):
        version = project["project"]["version"]
        latest = re.search(r"^## \[(.+?)\]", read("CHANGELOG.md"), re.MULTILINE)
        assert citation["version"] == citation["preferred-citation"]["version"] == version
        assert latest[1] == version


def site(address):
    """Where GitHub Pages publishes the repository at `address`."""
    owner, name = address.split("/")[-2:]
    return f"https://{owner}.github.io/{name}"


class TestLock:
    def test_every_package_is_pinned_and_hashed(self, blocks, locked):
        for block, package in zip(blocks, locked, strict=True):
            assert re.fullmatch(r"==[^*,]+", str(package.specifier)), package
            hashes = re.findall(r"--hash=(\S+)", block)
            assert hashes, f"{package} has no hash"
            assert all(re.fullmatch("sha256:[0-9a-f]{64}", value) for value in hashes), package

    def test_what_is_asked_for_is_locked(self, locked, wanted):
        versions = {}
        for package in locked:
            (pin,) = package.specifier
            versions.setdefault(canonicalize_name(package.name), []).append(pin.version)
        for want in wanted:
            found = versions.get(canonicalize_name(want.name), [])
            assert found, f"{want} is not in the lock; run make lock"
            assert all(map(want.specifier.contains, found)), f"{want}, but the lock has {found}"

    def test_nothing_else_is_locked_for_the_project(self, blocks, locked, wanted, project):
        direct = {
            canonicalize_name(package.name)
            for block, package in zip(blocks, locked, strict=True)
            if f"{project['project']['name']} (pyproject.toml" in block
        }
        assert direct == {canonicalize_name(want.name) for want in wanted}


class TestOtherMachines:
    def test_conda_and_binder_get_the_same_environment(self):
        environment = yaml.safe_load(read("environment.yml"))
        python = read(".python-version").strip()
        assert environment["channels"] == ["conda-forge"]
        assert environment["dependencies"] == [
            f"python={python}",
            "pip",
            {"pip": ["-r requirements.txt"]},
        ]

    @pytest.mark.parametrize("script", ["postBuild", ".ci/run"])
    def test_scripts_can_be_run(self, script):
        assert (ROOT / script).stat().st_mode & 0o111 == 0o111
        subprocess.run(["bash", "-n", ROOT / script], check=True)

    def test_workflows_are_safe(self):
        run("zizmor", "--offline", "--no-progress", "--strict-collection", ".github")

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("schema", "pattern"),
        [
            ("github-workflows", ".github/workflows/*.yml"),
            ("dependabot", ".github/dependabot.yml"),
            ("citation-file-format", "CITATION.cff"),
        ],
    )
    def test_files_keep_to_their_schema(self, schema, pattern):
        found = [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob(pattern))]
        assert found, f"{pattern} matches no file"
        run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *found)
