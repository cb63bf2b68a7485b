//! Reads one HTTP/1.1 response from arbitrary pieces, without keeping its body.

const LONGEST_HEAD: usize = 64 * 1024;

/// The state of reading a response.
enum State {
    Head,
    /// The remaining bytes of the body.
    Length(u64),
    /// The size of the next chunk, as read so far.
    ChunkSize(u64),
    /// The remaining bytes of the chunk and its line end.
    Chunk(u64),
    /// The length of the current trailer line; an empty one ends the response.
    Trailer(usize),
}

pub struct Response {
    state: State,
    head: Vec<u8>,
    pub status: u16,
    /// Whether the server closes the connection after this response.
    pub closes: bool,
}

impl Response {
    pub fn new() -> Self {
        Self { state: State::Head, head: Vec::new(), status: 0, closes: false }
    }

    /// Resets it for the next response; the buffer is reused.
    pub fn reset(&mut self) {
        self.state = State::Head;
        self.head.clear();
        self.closes = false;
    }

    /// Takes the next bytes. Returns whether the response is complete. Bytes beyond its end are an error.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<bool, &'static str> {
        while !bytes.is_empty() {
            let done = match self.state {
                State::Head => self.read_head(&mut bytes)?,
                State::Length(left) => self.skip(&mut bytes, left, State::Length) == 0,
                State::Chunk(left) => {
                    if self.skip(&mut bytes, left, State::Chunk) == 0 {
                        self.state = State::ChunkSize(0);
                    }
                    false
                }
                State::ChunkSize(_) | State::Trailer(_) => {
                    let byte = bytes[0];
                    bytes = &bytes[1..];
                    self.read_line_byte(byte)?
                }
            };
            if done {
                return if bytes.is_empty() { Ok(true) } else { Err("bytes after the end of a response") };
            }
        }
        Ok(false)
    }

    fn skip(&mut self, bytes: &mut &[u8], left: u64, state: fn(u64) -> State) -> u64 {
        let taken = left.min(bytes.len() as u64);
        *bytes = &bytes[taken as usize..];
        self.state = state(left - taken);
        left - taken
    }

    fn read_line_byte(&mut self, byte: u8) -> Result<bool, &'static str> {
        self.state = match (&self.state, byte) {
            (State::ChunkSize(size), b'\r') => State::ChunkSize(*size),
            (State::ChunkSize(0), b'\n') => State::Trailer(0),
            (State::ChunkSize(size), b'\n') => State::Chunk(size + 2),
            (State::ChunkSize(size), digit) => {
                let digit = char::from(digit).to_digit(16).ok_or("a chunk size that is no number")?;
                State::ChunkSize(size * 16 + u64::from(digit))
            }
            (State::Trailer(length), b'\r') => State::Trailer(*length),
            (State::Trailer(0), b'\n') => return Ok(true),
            (State::Trailer(_), b'\n') => State::Trailer(0),
            (State::Trailer(length), _) => State::Trailer(length + 1),
            _ => return Err("a line where there is none"),
        };
        Ok(false)
    }

    /// Returns whether the head is complete and no body follows.
    fn read_head(&mut self, bytes: &mut &[u8]) -> Result<bool, &'static str> {
        let before = self.head.len();
        self.head.extend_from_slice(bytes);
        let from = before.saturating_sub(3);
        let Some(at) = self.head[from..].windows(4).position(|window| window == b"\r\n\r\n") else {
            *bytes = &[];
            return if self.head.len() > LONGEST_HEAD { Err("a head without an end") } else { Ok(false) };
        };
        let end = from + at + 4;
        *bytes = &bytes[end - before..];
        self.head.truncate(end);
        self.understand_head()?;
        self.head.clear();
        Ok(matches!(self.state, State::Length(0)))
    }

    fn understand_head(&mut self) -> Result<(), &'static str> {
        let head = std::str::from_utf8(&self.head).map_err(|_| "a head that is no text")?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.")).and_then(|line| line.get(2..5));
        self.status = status.and_then(|status| status.parse().ok()).ok_or("no status line")?;
        if self.status == 100 {
            return Ok(());
        }
        let (mut length, mut chunked) = (None, false);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok();
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = true;
            } else if name.eq_ignore_ascii_case("connection") {
                self.closes |= value.to_ascii_lowercase().contains("close");
            }
        }
        self.state = match length {
            _ if chunked => State::ChunkSize(0),
            Some(length) => State::Length(length),
            None => return Err("a response without a length"),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Response;

    const CHUNKED: &[u8] =
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nT: x\r\n\r\n";
    const FIXED: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nConnection: Close\r\n\r\nhello";

    fn feed_in_pieces(bytes: &[u8], size: usize) -> Response {
        let mut response = Response::new();
        let mut pieces = bytes.chunks(size).peekable();
        while let Some(piece) = pieces.next() {
            assert_eq!(response.feed(piece), Ok(pieces.peek().is_none()), "pieces of {size}");
        }
        response
    }

    #[test]
    fn a_response_is_complete_at_its_last_byte_however_it_is_cut() {
        for size in 1..=CHUNKED.len() {
            assert_eq!(feed_in_pieces(CHUNKED, size).status, 201);
        }
        for size in 1..=FIXED.len() {
            assert!(feed_in_pieces(FIXED, size).closes);
        }
    }

    #[test]
    fn bytes_that_nobody_asked_for_are_an_error() {
        assert!(Response::new().feed(&[FIXED, b"!"].concat()).is_err());
        assert!(Response::new().feed(&[CHUNKED, b"!"].concat()).is_err());
    }

    #[test]
    fn a_response_without_a_length_is_an_error() {
        assert!(Response::new().feed(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
