"""A mail server of a test, with the faults that it asks for. Prints its port; then, as lines of JSON,
every mail that it takes and every recipient that it refuses. Ends with its standard input."""

import argparse
import asyncio
import base64
import json
import logging
import os
import ssl
import sys
import threading
import warnings

from aiosmtpd.smtp import SMTP, AuthResult


def say(**what):
    print(json.dumps(what), flush=True)


class Handler:
    def __init__(self, options):
        self.options = options
        self.later = options.later

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.options.refuse:
            say(refused=address)
            return "550 5.1.1 no such mailbox here"
        if self.later > 0:
            self.later -= 1
            say(later=address)
            return "451 4.7.1 greylisted, come again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        content = base64.b64encode(envelope.original_content).decode()
        say(sender=envelope.mail_from, to=envelope.rcpt_tos, tls=session.ssl is not None,
            login=bool(session.authenticated), content=content)
        return "250 taken"


def authenticator(login):
    def check(server, session, envelope, mechanism, data):
        right = (data.login, data.password) == tuple(login.encode().split(b":", 1))
        return AuthResult(success=right, handled=False)

    return check


def context(certificate):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate)
    return made


async def main(options):
    handler = Handler(options)
    settings = {"hostname": "mail.test", "auth_require_tls": False}
    if options.login:
        settings.update(auth_required=True, authenticator=authenticator(options.login))
    if options.starttls:
        settings.update(tls_context=context(options.starttls))
    over = context(options.smtps) if options.smtps else None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, loop=loop, **settings), "127.0.0.1", options.port, ssl=over)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def end_with_input():
    sys.stdin.read()
    os._exit(0)


# A login in the clear, and a handshake that fails, are what some tests want.
warnings.simplefilter("ignore")
logging.getLogger("mail.log").setLevel(logging.CRITICAL)
parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--later", type=int, default=0, help="recipients to put off before the first is taken")
parser.add_argument("--refuse", action="append", default=[], help="a recipient who is not known")
parser.add_argument("--login", help="USER:PASSWORD, wanted from everybody")
parser.add_argument("--starttls", help="a key and certificate")
parser.add_argument("--smtps", help="the same, with TLS from the first byte")
threading.Thread(target=end_with_input, daemon=True).start()
asyncio.run(main(parser.parse_args()))
