"""Says why a certificate is not trusted, which the connection that failed for it does not tell."""

from __future__ import annotations

import socket
import ssl
from urllib.parse import urlsplit

SECONDS = 5.0


def why_not_trusted(url: str) -> str:
    """One clause about the certificate at that `https:` address, asked for anew. Blocks for 5 s at most."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    try:
        # What SSL_CERT_FILE names is trusted here too.
        context = ssl.create_default_context()
        with (
            socket.create_connection((parts.hostname, parts.port or 443), timeout=SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname),
        ):
            return "its certificate is not accepted"
    except ssl.SSLCertVerificationError as error:
        what = error.verify_message.rstrip(".")
        if "self-signed" in what or "unable to get" in what:
            return (
                f"its certificate is not trusted ({what}); name the certificate of who issued it "
                "in the environment, SSL_CERT_FILE=FILE"
            )
        if "ostname" in what or "IP address" in what:
            return f"its certificate is for another name ({what}); use the name that it was made for"
        return f"its certificate is not valid: {what}"
    except ssl.SSLError:
        return "it does not speak TLS; try http:// in place of https://"
    except OSError as error:
        return f"it ended the connection while TLS was set up ({error.strerror or 'no answer'})"
