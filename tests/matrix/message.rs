//! A request or response as one end sees it, in any HTTP version.

/// Name and value, with the name's original case.
pub type Field = (String, String);

/// A message without its framing.
#[derive(Clone, Default, Debug)]
pub struct Message {
    /// Such as `HTTP/1.1`.
    pub version: String,
    /// Method or status.
    pub start: String,
    /// The request target or the reason phrase.
    pub more: String,
    pub fields: Vec<Field>,
    pub body: Vec<u8>,
    pub trailers: Vec<Field>,
    /// The statuses of interim responses.
    pub interim: Vec<u16>,
}

/// How a body is delimited in HTTP/1.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// No body and no framing.
    None,
    Length,
    /// In chunks of this size.
    Chunked(usize),
    /// Until the connection closes.
    Close,
}

/// A message to be sent.
#[derive(Clone, Debug)]
pub struct Draft {
    pub message: Message,
    pub framing: Framing,
}

impl Message {
    pub fn new(start: &str, more: &str) -> Self {
        Self { version: "HTTP/1.1".into(), start: start.to_owned(), more: more.to_owned(), ..Self::default() }
    }

    pub fn of(mut self, version: &str) -> Self {
        version.clone_into(&mut self.version);
        self
    }

    pub fn with(mut self, fields: &[(&str, &str)]) -> Self {
        self.fields.extend(fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        self
    }

    /// The first line of this name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Removes all lines of this name and returns them.
    pub fn take(&mut self, name: &str) -> Vec<String> {
        let taken = self.fields.extract_if(.., |(own, _)| own.eq_ignore_ascii_case(name));
        taken.map(|(_, value)| value).collect()
    }

    /// The fields in HTTP/2 form: lower-case names, without connection-specific fields.
    pub fn lower(&self) -> impl Iterator<Item = Field> {
        let fields = self.fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        fields.filter(|(name, _)| !matches!(name.as_str(), "host" | "connection" | "transfer-encoding" | "keep-alive"))
    }
}
