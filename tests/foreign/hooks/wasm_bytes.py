"""What schemathesis.py adds to schemathesis: it does not know how bytes of WebAssembly are sent."""

import schemathesis


@schemathesis.serializer("application/wasm")
def as_it_is(context, value):
    return value if isinstance(value, bytes) else str(value).encode()
