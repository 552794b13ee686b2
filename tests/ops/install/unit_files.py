"""Units as systemd reads them, without a systemd: sections of directives, each of which may come more than once."""

from collections.abc import Iterator

Unit = dict[str, list[tuple[str, str]]]


def read_unit(text: str) -> Unit:
    """Return the directives of each section in their order; anything that is no unit fails."""
    sections: Unit = {}
    for line in text.splitlines():
        if not line.strip() or line[0] in "#;":
            continue
        if line[0] == "[":
            assert line.endswith("]"), line
            sections[line[1:-1]] = current = []
            continue
        name, equals, value = line.partition("=")
        assert equals and name.isalnum(), line
        current.append((name, value))
    return sections


def values(unit: Unit, section: str, name: str) -> list[str]:
    """Return all values that a section gives a directive."""
    return [value for each, value in unit.get(section, []) if each == name]


def command_lines(unit: Unit) -> Iterator[list[str]]:
    """Yield the words of each ExecStart, with %% as systemd reads it."""
    for line in values(unit, "Service", "ExecStart"):
        yield line.replace("%%", "%").split()
