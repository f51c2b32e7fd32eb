"""Stage `listen`: sound as it comes, from a sound card or a pipe → taps and their keys, at once."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from threadpoolctl import threadpool_limits

from tap2key.audio.array_argument import add_array
from tap2key.config.arguments import add_settings, settings_of
from tap2key.config.stage_settings import FINDING, NAMING
from tap2key.core.errors import Tap2keyError
from tap2key.core.folders import atomic_folder, leaves
from tap2key.core.log import log
from tap2key.core.output_guard import check_output_folder
from tap2key.core.provenance import write_provenance
from tap2key.decoding.decoder_folder import DECODER_FILE, load_decoder
from tap2key.listening.blocks import Source
from tap2key.listening.kept import Kept, holds_something
from tap2key.listening.live_text import DecodedText, RawKeys
from tap2key.listening.pipe import Pipe
from tap2key.listening.sample_formats import RAW_FORMATS
from tap2key.listening.session import Session
from tap2key.listening.sound_card import SoundCard, device_list
from tap2key.listening.view import PORT, View
from tap2key.listening.view_layout import view_layout
from tap2key.models.ensemble import Ensemble
from tap2key.models.model_folder import MODEL_METADATA_FILE, MODEL_PACKAGES
from tap2key.reading.tapped_keys import what_keys_type
from tap2key.reading.unlabelled import DECODED_NAME


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the stage's command line."""
    parser.add_argument(
        "--models",
        type=Path,
        nargs="+",
        help="a model's folder; of several, the probabilities are averaged",
    )
    heard = parser.add_mutually_exclusive_group()
    heard.add_argument(
        "--device",
        type=_device,
        help="sound card, by its number or a part of its name (default: the system's input)",
    )
    heard.add_argument(
        "--input",
        type=Path,
        help="a named pipe or a file instead of a sound card, - for standard input: a wav, or raw "
        "samples of all channels by turns",
    )
    heard.add_argument(
        "--list-devices", action="store_true", help="print the sound cards, and do nothing else"
    )
    parser.add_argument(
        "--format",
        choices=RAW_FORMATS,
        default="s32",
        help="of raw samples, little endian (default: %(default)s)",
    )
    parser.add_argument(
        "--rate", type=int, help="of raw samples, in Hz (default: that of the model's array)"
    )
    parser.add_argument(
        "--decoders",
        type=Path,
        nargs="*",
        default=[],
        help="decoders' folders, as `predict` takes them: the text is what they make of the taps",
    )
    parser.add_argument("--output", type=Path, help="keep taps, label track and text in a folder")
    parser.add_argument("--keep", action="store_true", help="keep the sound there too")
    parser.add_argument(
        "--view",
        type=int,
        nargs="?",
        const=PORT,
        metavar="PORT",
        help=f"show a page on this machine (port {PORT} if none is given; 0 for any)",
    )
    add_settings(parser, "predict", NAMING)
    add_settings(parser, "segment", FINDING)
    add_array(parser, None, "what the model was trained on")
    parser.add_argument(
        "--keyboard",
        type=Path,
        help="what each key types, and where it is; models of other keys are refused",
    )
    parser.add_argument(
        "--allow-other-version",
        action="store_true",
        help="accept a model made with another version of its library",
    )


def main(args: argparse.Namespace) -> None:
    """Name taps until the sound ends or Ctrl-C; exit status 0 in both cases."""
    if args.list_devices:
        sys.stdout.write(f"{device_list()}\n")
        return
    if args.output is not None:
        check_output_folder(args, "listen")
    _check(args)
    try:
        _listen(args)
    except KeyboardInterrupt:
        # While models load; later it ends a session.
        log.info("stopped")


def _listen(args: argparse.Namespace) -> None:
    settings = {**settings_of(args, "predict", NAMING), **settings_of(args, "segment", FINDING)}
    ensemble = Ensemble(args.models, args.allow_other_version, args.array)
    types = what_keys_type(ensemble.labels, args.keyboard, args.models[0])
    decoded = None
    if args.decoders:
        decoded = DecodedText(load_decoder(args.decoders, ensemble.labels).begin())
    with ExitStack() as stack:
        # One core is enough, and threads that wait for each other take their time.
        stack.enter_context(threadpool_limits(1))
        folder = stack.enter_context(_output(args, settings, ensemble))
        source = stack.enter_context(closing(_source(args, ensemble)))
        kept = None
        if folder is not None:
            threshold = settings["confidence_threshold"]
            kept = Kept(folder, ensemble.labels, types, threshold, args.keep, args.output)
            stack.callback(kept.close)
        view = None
        if args.view is not None:
            about = view_layout(ensemble, args.keyboard, types, source.name)
            view = stack.enter_context(closing(View(args.view, about)))
            # However little is to be said: nobody can guess the address.
            log.warning(f"watch at {view.address}")
        log.warning(
            f"listening to {source.name}: {ensemble.array.channels} channels; whoever types within "
            f"hearing has to know, and to agree. {_what_is_kept(args)}"
        )
        text = decoded or RawKeys(types)
        session = Session(source, ensemble, settings["peak_height"], text, kept, view)
        session.run()
        if folder is not None and decoded is not None:
            (folder / DECODED_NAME).write_text(f"{decoded.whole}\n", encoding="utf-8")
    log.info(f"{session.taps} taps in {session.heard_s:.1f} s")
    if session.failure is not None:
        raise session.failure


def _check(args: argparse.Namespace) -> None:
    # What was heard cannot be made again, so an earlier output is never replaced.
    if args.output is not None and any(not name.endswith("/") for name in leaves(args.output)):
        raise Tap2keyError(f"{args.output}: holds an earlier listening; choose a new folder")
    if args.models is None:
        raise Tap2keyError("--models: give the folder of a model to name taps with")
    if args.keep and args.output is None:
        raise Tap2keyError("--keep: say where by --output")
    if args.view is not None and not 0 <= args.view <= 65_535:
        raise Tap2keyError(f"--view {args.view}: give a port from 0 to 65535")


def _source(args: argparse.Namespace, ensemble: Ensemble) -> Source:
    if args.input is None:
        return SoundCard(args.device, ensemble.array)
    rate = ensemble.array.sample_rate if args.rate is None else args.rate
    return Pipe(args.input, ensemble.array, RAW_FORMATS[args.format], rate)


@contextmanager
def _output(args: argparse.Namespace, settings: dict, ensemble: Ensemble) -> Iterator[Path | None]:
    if args.output is None:
        yield None
        return
    with atomic_folder(args.output, "listen", irreplaceable=holds_something) as temporary:
        yield temporary
        write_provenance(
            temporary,
            "listen",
            __name__,
            {**settings, "array": ensemble.array.as_dict()},
            [
                *(folder / MODEL_METADATA_FILE for folder in args.models),
                *(folder / DECODER_FILE for folder in args.decoders),
            ],
            MODEL_PACKAGES,
        )


def _what_is_kept(args: argparse.Namespace) -> str:
    if args.output is None:
        return "Nothing is kept"
    return f"{args.output} keeps what is typed{', and the sound' if args.keep else ''}"


def _device(text: str) -> int | str:
    return int(text) if text.isdecimal() else text
