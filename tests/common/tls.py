"""Ends TLS before a server that speaks HTTP/2 without it: tls.py CERTIFICATE_AND_KEY PORT_BEHIND.

Prints its own port. A gRPC client insists on ALPN, so it is offered."""

import asyncio
import ssl
import sys


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        writer.close()


async def main(certificate, behind):
    async def serve(reader, writer):
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", behind)
        except ConnectionError:
            writer.close()
            return
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2"])
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
