// Gives a request that has no Host one, ahead of nginx's HTTP server, which refuses HTTP/1.1 without it (RFC 9112
// section 3.2); boards in the field send none. Nothing else of the request is looked at, and nothing is changed: what is
// wrong with it, nginx and the gateway find.
//
// What comes is a PROXY line (nginx's own, with the board's address) and then what the board sends, in pieces of any
// size. It is kept until the first request's head is whole, or is too long, and then passed on; of a connection's later
// requests nothing is looked at, since boards without a Host close after one.

const HEAD_BYTES = 8192; // as much as nginx takes; more is passed on to be refused
const HOST = Buffer.from('Host: boards\r\n');

function withHost(bytes) {
    const proxyEnd = bytes.indexOf('\r\n');
    const lineEnd = bytes.indexOf('\r\n', proxyEnd + 2);
    const headEnd = bytes.indexOf('\r\n\r\n', lineEnd);
    if (proxyEnd < 0 || lineEnd < 0 || headEnd < 0) {
        return bytes.length > HEAD_BYTES ? bytes : null;
    }
    if (/\nhost[ \t]*:/i.test(bytes.slice(lineEnd, headEnd + 2).toString())) {
        return bytes;
    }
    return Buffer.concat([bytes.slice(0, lineEnd + 2), HOST, bytes.slice(lineEnd + 2)]);
}

function addHost(session) {
    let kept = Buffer.alloc(0);
    session.on('upstream', function (data, flags) {
        kept = Buffer.concat([kept, data]); // a copy: nginx uses the memory of `data` again
        const whole = flags.last ? withHost(kept) || kept : withHost(kept);
        if (whole !== null) {
            session.off('upstream');
            session.send(whole, flags);
        }
    });
}

export default { addHost, withHost };
