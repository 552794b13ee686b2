"""A server that cannot do its work: the command says so in one line, with the server's own words."""

import asyncpg
import click
import pytest

from sql.command import WarehouseCommand, run


@pytest.mark.parametrize(("state", "name"), [("53100", "DiskFullError"), ("XX001", "DataCorruptedError")])
def test_what_the_server_cannot_do_is_one_line(
    server_url: str, state: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither a full disk nor a damaged page is a traceback."""

    async def fail() -> None:
        connection = await asyncpg.connect(server_url)
        try:
            await connection.execute(f"DO $$ BEGIN RAISE 'no luck' USING ERRCODE = '{state}'; END $$")
        finally:
            await connection.close()

    @click.command(cls=WarehouseCommand)
    def command() -> None:
        run(fail())

    with pytest.raises(SystemExit) as left:
        command.main([])
    assert left.value.code == 1
    expected = f"error: the database cannot do its work: no luck ({name}); its log says more\n"
    assert capsys.readouterr().err == expected
