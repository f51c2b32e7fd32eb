"""Stage `crate`: a finished run as a Workflow Run RO-Crate, for a reviewer or an archive."""

import argparse
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from rocrate.rocrate import ROCrate

from tap2key.core.errors import Tap2keyError
from tap2key.core.files import TEMPORARY_PREFIX, atomic_file, room_at
from tap2key.core.folders import atomic_folder
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_files, check_output_folder
from tap2key.core.provenance import FILE_NAME, write_provenance
from tap2key.sharing.run_crate import OPTIONAL, Description, readme_text, run_crate

ZIP = ".zip"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument("--results", type=Path, required=True, help="results of a finished run")
    parser.add_argument(
        "--include",
        nargs="+",
        choices=OPTIONAL,
        default=[],
        help="what goes in as well: models, or what holds sound (default: none of them, only "
        "their provenance and cards)",
    )
    parser.add_argument("--name", default="A run of tap2key", help="what the crate is called")
    parser.add_argument("--authors", nargs="+", default=[], help="names of those who ran it")
    parser.add_argument("--license", help="address of the licence under which it is shared")
    parser.add_argument("--output", type=Path, required=True, help="a folder, or a .zip")


def main(args: argparse.Namespace) -> None:
    """Write the crate."""
    if args.output.suffix == ZIP:
        check_output_files(args)
    else:
        check_output_folder(args, "crate")
    about = Description(args.name, args.authors, args.license)
    crate = run_crate(args.results, about, args.include)
    try:
        with room_at(args.output):
            _write(crate, about, args)
    except OSError as error:
        raise Tap2keyError(f"{args.output}: the crate cannot be written ({error})") from error
    log.info(
        f"{args.output}: {args.results}, with {', '.join(args.include) or 'no sound or models'}"
    )


def _write(crate: ROCrate, about: Description, args: argparse.Namespace) -> None:
    beside = Path(os.path.realpath(args.output)).parent
    beside.mkdir(parents=True, exist_ok=True)
    # Not in /tmp, which may be far smaller than what is to hold the crate.
    with TemporaryDirectory(dir=beside, prefix=TEMPORARY_PREFIX) as made:
        settings = {"include": sorted(args.include), "name": args.name}
        inputs = [args.results / "run" / "config.yaml"]
        write_provenance(made, "crate", __name__, settings, inputs, ("rocrate",))
        about_it = {"encodingFormat": "application/json", "name": "what made this crate"}
        crate.add_file(Path(made) / FILE_NAME, FILE_NAME, properties=about_it)
        readme = Path(made) / "README.md"
        readme.write_text(readme_text(about, args.include), encoding="utf-8")
        of_readme = {"encodingFormat": "text/markdown", "name": "where to begin"}
        crate.add_file(readme, "README.md", properties=of_readme | {"about": {"@id": "./"}})
        if args.output.suffix == ZIP:
            # Not rocrate's own zip, which has no entries for folders: the validator misses them.
            crate.write(Path(made) / "crate")
            with atomic_file(args.output) as temporary:
                shutil.make_archive(str(temporary.with_suffix("")), "zip", Path(made) / "crate")
        else:
            with atomic_folder(args.output, "crate") as temporary:
                crate.write(temporary)
