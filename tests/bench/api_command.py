"""The `api` command as a module, so that a bench can start it with the Python it runs on."""

from api.cli import api

if __name__ == "__main__":
    api()
