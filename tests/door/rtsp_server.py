"""A real RTSP server: GStreamer's, run by the system's Python. Prints its port when it listens.

/usr/bin/python3 rtsp_server.py --port 0 [--user NAME --password TEXT] [--element "..."]
"""

from __future__ import annotations

import argparse

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

PAY = "! jpegenc ! rtpjpegpay name=pay0 pt=26"


def main() -> None:
    """Serve /door until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", default="0")
    parser.add_argument("--user")
    parser.add_argument("--password")
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--pattern", default="snow")
    parser.add_argument("--pictures", help="JPEG files to play again and again, as /path/%%05d.jpg")
    options = parser.parse_args()

    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(options.port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_shared(bool(options.pictures))
    factory.set_launch(played(options) if options.pictures else drawn(options))
    if options.user:
        protect(server, factory, options.user, options.password)
    server.get_mount_points().add_factory("/door", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)  # noqa: T201
    GLib.MainLoop().run()


def drawn(options: argparse.Namespace) -> str:
    """A test pattern."""
    return (
        f"( videotestsrc is-live=true pattern={options.pattern} "
        f"! video/x-raw,format=I420,width=320,height=240,framerate={options.fps}/1 {PAY} )"
    )


def played(options: argparse.Namespace) -> str:
    """Pictures that are there already, at the camera's speed."""
    return (
        f"( multifilesrc location={options.pictures} loop=true "
        f"caps=image/jpeg,framerate={options.fps}/1 "
        "! jpegdec ! identity sync=true ! jpegenc quality=95 ! rtpjpegpay name=pay0 pt=26 )"
    )


def protect(server, factory, user: str, password: str) -> None:
    """Let in nobody but one user."""
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth = GstRtspServer.RTSPAuth()
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    factory.add_role_from_structure(
        Gst.Structure.new_from_string(
            "viewer,media.factory.access=(boolean)true,media.factory.construct=(boolean)true"
        )
    )


if __name__ == "__main__":
    main()
