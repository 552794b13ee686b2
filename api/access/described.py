"""What the OpenAPI document says of keys: how they are sent, and that a server may ask for none."""

from typing import Any

SECURITY_SCHEMES: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key made with `api keys create`."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key."},
}
# None at all is enough where the server asks for none, as on its own machine by default.
SECURITY: list[dict[str, list[str]]] = [{}, {"bearer": []}, {"header": []}]
