"""What the health checks ask; that of the API is asked of a port where nobody, or somebody, answers."""

import socket
from pathlib import Path

import pytest

from api.settings import ApiSettings
from ops.compose.errors import NotHealthy
from ops.compose.healthy import require_api, require_folder


def test_a_port_at_which_nothing_answers_is_not_healthy() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(NotHealthy, match=r"nothing answers at port \d+ \(ConnectionRefusedError\)"):
            require_api(ApiSettings(port=nobody.getsockname()[1]))


def test_backups_need_a_folder_that_can_be_written(tmp_path: Path) -> None:
    require_folder(tmp_path)
    with pytest.raises(NotHealthy, match=r"nowhere is no folder that this user may write in"):
        require_folder(tmp_path / "nowhere")
