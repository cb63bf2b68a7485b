//! Content codings of a reply (RFC 9110 §8.4.1). None is requested, but some servers and proxies compress anyway.

use std::io::Read;

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use flate2::read::{DeflateDecoder, ZlibDecoder};
use http::{HeaderMap, header};

use super::reply::REPLY;

const TOO_LARGE: &str = "the decoded reply is larger than 1 MiB";

/// The maximum number of codings of one reply.
const LAYERS: usize = 4;

/// Compressions that are not supported. Any other unknown coding, such as `utf-8` or `none`, is a mistake of the server.
const COMPRESSIONS: [&str; 12] =
    ["br", "zstd", "compress", "x-compress", "lz4", "lzma", "xz", "bzip2", "snappy", "dcb", "dcz", "exi"];

/// Decodes the body. The error is for people.
pub(super) fn decoded(headers: &HeaderMap, body: Bytes) -> Result<Bytes, String> {
    if body.is_empty() {
        return Ok(body);
    }
    let values = headers.get_all(header::CONTENT_ENCODING).iter();
    let codings: Vec<_> = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).collect();
    let named = codings.iter().map(|coding| String::from_utf8_lossy(coding).trim().to_ascii_lowercase());
    let mut codings: Vec<_> = named.filter(|coding| !coding.is_empty() && coding != "identity").collect();
    if codings.len() > LAYERS {
        return Err(format!("the reply is encoded {} times", codings.len()));
    }
    if codings.is_empty() && is_gzip(&body) {
        codings.push("gzip".to_owned());
    }
    codings.iter().rev().try_fold(body, |body, coding| without(coding, body))
}

fn without(coding: &str, body: Bytes) -> Result<Bytes, String> {
    match coding {
        // Some servers label bodies that are not compressed; these are read as they are.
        "gzip" | "x-gzip" if !is_gzip(&body) => Ok(body),
        "gzip" | "x-gzip" => gunzip(&body),
        // RFC 9110 means zlib; some servers send raw deflate.
        "deflate" => match read(ZlibDecoder::new(&*body), coding) {
            Err(why) if !is_zlib(&body) => read(DeflateDecoder::new(&*body), coding).map_err(|_| why),
            read => read,
        },
        other if !COMPRESSIONS.contains(&other) && std::str::from_utf8(&body).is_ok() => Ok(body),
        other => {
            let other: String = other.chars().filter(char::is_ascii_graphic).take(20).collect();
            Err(format!("the reply is encoded with `{other}`, which is not supported"))
        }
    }
}

/// Decodes all members. Some servers pad the last one with zeros.
fn gunzip(body: &[u8]) -> Result<Bytes, String> {
    let (mut rest, mut whole) = (body, Vec::new());
    while is_gzip(rest) {
        let mut member = GzDecoder::new(rest);
        whole.extend(read(&mut member, "gzip")?);
        if whole.len() > REPLY {
            return Err(TOO_LARGE.to_owned());
        }
        rest = member.into_inner();
    }
    match rest.iter().all(|byte| *byte == 0) {
        true => Ok(whole.into()),
        false => Err("the reply cannot be decoded as `gzip`".to_owned()),
    }
}

fn is_gzip(body: &[u8]) -> bool {
    body.starts_with(&[0x1f, 0x8b, 8])
}

/// RFC 1950: compression method 8, and a check over the first two bytes.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [first, second, ..] if first & 15 == 8 && u16::from_be_bytes([*first, *second]) % 31 == 0)
}

fn read(decoder: impl Read, coding: &str) -> Result<Bytes, String> {
    let mut body = Vec::new();
    let most = u64::try_from(REPLY).unwrap_or(u64::MAX);
    match decoder.take(most.saturating_add(1)).read_to_end(&mut body) {
        Ok(_) if body.len() > REPLY => Err(TOO_LARGE.to_owned()),
        Ok(_) => Ok(body.into()),
        Err(_) => Err(format!("the reply cannot be decoded as `{coding}`")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use http::HeaderValue;

    use super::*;

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(body: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(body: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn decode(codings: &[&'static str], body: Vec<u8>) -> Result<Bytes, String> {
        let mut headers = HeaderMap::new();
        for coding in codings {
            headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        decoded(&headers, body.into())
    }

    const BODY: &[u8] = b"{\"access_token\":\"t\"}";

    #[test]
    fn a_content_coding_that_was_not_requested_is_decoded() {
        let members = [gzip(b"{\"access_token\":"), gzip(b"\"t\"}")].concat();
        for (codings, body) in [
            (&[][..], BODY.to_vec()),
            (&["identity"], BODY.to_vec()),
            (&["gzip"], gzip(BODY)),
            (&["GZip"], gzip(BODY)),
            (&["x-gzip"], gzip(BODY)),
            (&["gzip"], members),
            (&["deflate"], zlib(BODY)),
            (&["deflate"], deflate(BODY)),
            (&["deflate, gzip"], gzip(&zlib(BODY))),
            (&["gzip", "identity, deflate"], deflate(&gzip(BODY))),
            (&[], gzip(BODY)),
            (&["gzip"], BODY.to_vec()),
            (&["gzip"], [gzip(BODY), vec![0; 5]].concat()),
            (&["utf-8"], BODY.to_vec()),
            (&["none, identity, UTF-8"], BODY.to_vec()),
            (&["utf-8, gzip"], gzip(BODY)),
        ] {
            assert_eq!(decode(codings, body).as_deref(), Ok(BODY), "{codings:?}");
        }
        assert_eq!(decode(&["br"], Vec::new()).as_deref(), Ok(&b""[..]), "there is nothing to decode");
    }

    #[test]
    fn an_unreadable_content_coding_is_named() {
        let bomb = gzip(&vec![b' '; REPLY + 1]);
        let cut = gzip(BODY).split_at(20).0.to_vec();
        for (codings, body, why) in [
            (&["br"][..], BODY.to_vec(), "encoded with `br`"),
            (&["zstd, gzip"], gzip(BODY), "encoded with `zstd`"),
            (&["gzip"], cut.clone(), "cannot be decoded as `gzip`"),
            (&["gzip"], [gzip(BODY), b"x".to_vec()].concat(), "cannot be decoded as `gzip`"),
            (&["utf-8"], vec![0xff], "encoded with `utf-8`"),
            (&["deflate"], BODY.to_vec(), "cannot be decoded as `deflate`"),
            (&["gzip"], bomb.clone(), "the decoded reply is larger than 1 MiB"),
            (&["gzip"; 5], gzip(BODY), "encoded 5 times"),
        ] {
            assert!(decode(codings, body).unwrap_err().contains(why), "{codings:?}");
        }
        assert!(decode(&["gzip"], gzip(&vec![b' '; REPLY])).is_ok());
    }
}
