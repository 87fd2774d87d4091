"""Raw servers for transfers."""

from tests.web.conftest import raw

__all__ = ["raw"]
