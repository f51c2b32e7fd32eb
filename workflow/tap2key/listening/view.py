"""A page on this machine that shows what is heard: keys, levels, recent taps, the text."""

import asyncio
import json
import secrets
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import web

from tap2key.core.errors import Tap2keyError
from tap2key.listening.live_taps import LiveTap

# Never another: what is typed is nobody's business on the network.
HOST = "127.0.0.1"
PORT = 8475
PAGE = Path(__file__).with_name("view.html")
RECENT = 12
# No browser paints more often.
EVERY_S = 1 / 30
SILENT_DB = -120.0
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
TOKEN = "token"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class View:
    """Serves one page and its events from a thread of its own.

    Every event is the whole state, so that a page may come late or miss some.
    """

    def __init__(self, port: int, about: dict[str, Any]) -> None:
        """Start serving.

        Args:
            port: 0 for any free one.
            about: what does not change: see `view_layout`.

        Raises:
            Tap2keyError: the port is taken.
        """
        self._state: dict[str, Any] = {
            "about": about,
            "at_s": 0.0,
            "levels_db": [],
            "taps": [],
            "text": "",
            "probabilities": None,
            "lost": [],
            "ended": False,
        }
        self._taps: deque[dict[str, Any]] = deque(maxlen=RECENT)
        self._lost: deque[str] = deque(maxlen=RECENT)
        self._count = 0
        self._version = 0
        # This machine's other accounts reach the port too.
        self._token = secrets.token_urlsafe(16)
        self._loop = asyncio.new_event_loop()
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1.0)
        try:
            self.port = self._loop.run_until_complete(self._start(port))
        except OSError as error:
            self._loop.run_until_complete(self._runner.cleanup())
            self._loop.close()
            raise Tap2keyError(
                f"--view {port}: cannot be served ({error.strerror}); give another port"
            ) from None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """What to open in a browser; whoever has it may watch."""
        return f"http://{HOST}:{self.port}/?{TOKEN}={self._token}"

    @property
    def cookie(self) -> str:
        """The name of the cookie that a browser has instead; cookies know no ports."""
        return f"tap2key-{self.port}"

    def levels(self, loudest: np.ndarray, at_s: float) -> None:
        """Show the loudest sample of each channel, full scale 1.0, and how long it is listening."""
        with np.errstate(divide="ignore"):
            decibels = np.maximum(20 * np.log10(loudest), SILENT_DB)
        self._change(levels_db=[round(float(level), 1) for level in decibels], at_s=round(at_s, 2))

    def tap(self, tap: LiveTap, at_s: float, text: str) -> None:
        """Show a tap, and the text that ends with it."""
        self._count += 1
        self._taps.appendleft(
            {
                "number": self._count,
                "at_s": round(at_s, 3),
                "key": tap.named.key,
                "confidence": round(tap.named.confidence, 4),
            }
        )
        self._change(
            taps=list(self._taps),
            text=text,
            probabilities=[round(float(each), 4) for each in tap.probabilities],
        )

    def lost(self, at_s: float, how_long: str) -> None:
        """Show that sound was lost."""
        self._lost.appendleft(f"{how_long} lost at {at_s:.1f} s")
        self._change(lost=list(self._lost))

    def close(self) -> None:
        """Tell pages that it is over, and stop serving."""
        self._change(ended=True)
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _change(self, **parts: Any) -> None:
        # A dictionary of its own each time: the server's thread may be writing the old one.
        self._state = {**self._state, **parts}
        self._version += 1

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._guarded])
        application.router.add_get("/", self._page)
        application.router.add_get("/events", self._events)
        return application

    async def _start(self, port: int) -> int:
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, port).start()
        return self._runner.addresses[0][1]

    async def _stop(self) -> None:
        # So long pages get to see that it is over.
        await asyncio.sleep(2 * EVERY_S)
        await self._runner.cleanup()

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer only this machine's own page: another site's has another origin or host."""
        hosts = (f"{HOST}:{self.port}", f"localhost:{self.port}")
        origins = (None, *(f"http://{host}" for host in hosts))
        if request.host not in hosts or request.headers.get("Origin") not in origins:
            raise web.HTTPForbidden(text="only this machine's own page is answered\n")
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise web.HTTPForbidden(text="only this machine's own page is answered\n")
        if self._is_token(request.query.get(TOKEN)):
            # Once: the address that a projector shows does not give it away.
            shown = web.Response(status=303, headers={**HEADERS, "Location": "/"})
            shown.set_cookie(self.cookie, self._token, httponly=True, samesite="Strict")
            return shown
        if not self._is_token(request.cookies.get(self.cookie)):
            raise web.HTTPForbidden(text="open the whole address that listen has printed\n")
        return await handler(request)

    def _is_token(self, given: str | None) -> bool:
        # Bytes: of text only ASCII is compared.
        data = (given or "").encode("utf-8", "surrogateescape")
        return secrets.compare_digest(data, self._token.encode())

    async def _page(self, _: web.Request) -> web.Response:
        text = PAGE.read_text(encoding="utf-8")
        return web.Response(text=text, content_type="text/html", headers=HEADERS)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """The state whenever it changes, as server-sent events.

        https://html.spec.whatwg.org/multipage/server-sent-events.html
        """
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": "text/event-stream"})
        await response.prepare(request)
        seen = -1
        state: dict[str, Any] = {"ended": False}
        while not state["ended"]:
            if seen != self._version:
                # What does not change is said once.
                known = () if seen < 0 else ("about",)
                seen, state = self._version, self._state
                sent = {name: value for name, value in state.items() if name not in known}
                try:
                    await response.write(f"data: {json.dumps(sent)}\n\n".encode())
                except ConnectionError:
                    break
            await asyncio.sleep(EVERY_S)
        return response
