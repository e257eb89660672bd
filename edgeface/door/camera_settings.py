"""The table ``[camera]`` of door.toml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

TURNS = (0, 90, 180, 270)


@dataclass(frozen=True)
class CameraSettings:
    """How a camera is opened, read and judged; `SETTINGS` describes each field.

    Raises
    ------
    ValueError
        A field out of range, a limit below what it limits.
    """

    width: int | None = None
    height: int | None = None
    fps: float | None = None
    pixel_format: str | None = None
    rotate: int = 0
    mirror: bool = False
    warm_up_frames: int = 10
    max_age_s: float = 0.5
    freeze_s: float = 3.0
    stall_s: float = 10.0
    open_timeout_s: float = 5.0
    read_timeout_s: float = 5.0
    reconnect_first_s: float = 0.5
    reconnect_limit_s: float = 30.0

    def __post_init__(self) -> None:
        if self.rotate not in TURNS:
            raise ValueError(f"rotate is {self.rotate!r}; expected one of {TURNS} degrees")
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height go together; set both, or leave both to the device")
        if self.reconnect_limit_s < self.reconnect_first_s:
            raise ValueError(
                f"reconnect_limit_s is {self.reconnect_limit_s}, below reconnect_first_s "
                f"({self.reconnect_first_s}); expected at least as much"
            )
        for name in _POSITIVE:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value!r}; expected more than 0")


_POSITIVE = (
    *("width", "height", "fps", "max_age_s", "freeze_s", "stall_s", "open_timeout_s"),
    *("read_timeout_s", "reconnect_first_s"),
)


def read_settings(table: Mapping[str, Any]) -> CameraSettings:
    """Return a ``[camera]`` table that `SETTINGS` allows as settings; its source is left out.

    Raises
    ------
    ValueError
        As `CameraSettings`.
    """
    known = {item.name for item in fields(CameraSettings)}
    return CameraSettings(**{name: value for name, value in table.items() if name in known})


def _seconds(description: str, default: float, *, high: float = 3600.0) -> dict[str, Any]:
    return {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": high,
        "description": f"{description}, in seconds; {default:g} where it is left out",
    }


SETTINGS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["source"],
    "properties": {
        "source": {
            "type": "string",
            "minLength": 1,
            "maxLength": 2000,
            "description": "V4L2 device (/dev/video0 or 0), URL (rtsp://, http://), GStreamer "
            "pipeline ending in appsink, video file or folder of photos; no default",
        },
        "login_file": {
            "type": "string",
            "minLength": 1,
            "maxLength": 1000,
            "description": "file of mode 0600 with the line user:password of a URL that has none, "
            "or credential:NAME of the service; none where it is left out",
        },
        "width": {
            "type": "integer",
            "minimum": 64,
            "maximum": 8192,
            "description": "width asked of a V4L2 device, in pixels; left to the device",
        },
        "height": {
            "type": "integer",
            "minimum": 64,
            "maximum": 8192,
            "description": "height asked of a V4L2 device, in pixels; left to the device",
        },
        "fps": {
            "type": "number",
            "exclusiveMinimum": 0,
            "maximum": 240,
            "description": "frames a second asked of a V4L2 device (left to the device), and at "
            "which a folder of photos is played (5)",
        },
        "pixel_format": {
            "type": "string",
            "pattern": "[A-Z0-9]{4}",
            "description": "four letters of a V4L2 pixel format, for example MJPG, which USB "
            "cameras need for more than a few frames a second; left to the device",
        },
        "rotate": {
            "type": "integer",
            "enum": list(TURNS),
            "description": "degrees clockwise by which pictures are turned upright; 0",
        },
        "mirror": {
            "type": "boolean",
            "description": "whether pictures are swapped left to right after turning; false",
        },
        "warm_up_frames": {
            "type": "integer",
            "minimum": 0,
            "maximum": 1000,
            "description": "pictures not used after a device or stream is opened, while exposure "
            "settles; 10",
        },
        "max_age_s": _seconds("oldest frame that is ever handed out", 0.5, high=10),
        "freeze_s": _seconds("the very same picture for so long is a fault", 3),
        "stall_s": _seconds("without a good picture for so long the source is opened anew", 10),
        "open_timeout_s": _seconds("longest time that a stream may take to open", 5, high=120),
        "read_timeout_s": _seconds("longest time that a stream may be silent", 5, high=120),
        "reconnect_first_s": _seconds("wait before the first reconnection, doubled each time", 0.5),
        "reconnect_limit_s": _seconds("longest wait between reconnections", 30),
    },
}
