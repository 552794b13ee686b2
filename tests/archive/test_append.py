async def test_x(ingest_pool, read_pool) -> None:
    assert await read_pool.fetchval("select count(*) from archive.payload") == 0
    print(await read_pool.fetchval("select current_user"))
