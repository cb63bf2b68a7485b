use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

fn mask(secrets: &[&str]) -> Mask {
    let mut mask = Mask::default();
    secrets.iter().for_each(|secret| mask.add(secret));
    mask
}

const SECRET: &str = "can+ary é/\"<&>?";

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn hexadecimal(text: &str, between: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(between)
}

fn json(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
}

fn entities(text: &str) -> String {
    text.chars().map(|c| format!("&#x{:X};", u32::from(c))).collect()
}

fn form(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[test]
fn a_secret_is_masked_in_every_encoding_and_in_nested_ones() {
    let mask = mask(&["can", SECRET, ""]);
    let serde = serde_json::Value::from(SECRET).to_string();
    let within = |text: &str| format!("x={text};");
    for echo in [
        SECRET.to_owned(),
        form(SECRET),
        form(SECRET).to_lowercase(),
        crate::flow::request::parts::encode(SECRET),
        percent(SECRET),
        percent(&percent(SECRET)),
        serde.trim_matches('"').replace('/', "\\/"),
        json(SECRET),
        json(&json(SECRET)),
        percent(&json(SECRET)),
        "can+ary &eacute;/&quot;&lt;&amp;&gt;?".replace("&eacute;", "&#233;"),
        entities(SECRET),
        entities(&entities(SECRET)),
        STANDARD.encode(SECRET),
        STANDARD_NO_PAD.encode(SECRET),
        URL_SAFE.encode(SECRET),
        URL_SAFE_NO_PAD.encode(SECRET),
        STANDARD.encode(within(SECRET)),
        STANDARD.encode(format!("x{}", within(SECRET))),
        STANDARD.encode(form(SECRET)),
        percent(&STANDARD.encode(SECRET)),
        STANDARD.encode(SECRET).replace('=', "%3D"),
        hexadecimal(SECRET, ""),
        hexadecimal(SECRET, "").to_uppercase(),
        hexadecimal(SECRET, ":"),
        percent(&hexadecimal(SECRET, " ")),
    ] {
        assert_eq!(mask.clean(&format!("bad secret {echo}!")), "bad secret …!", "{echo}");
    }
    assert_eq!(mask.clean("can"), "…");
    let within = format!("a{}b 63616e", hexadecimal(SECRET, ""));
    assert_eq!(mask.clean(&within), "a…b 63616e", "a part of a longer run; too short to be certain");
    let emoji = self::mask(&["s\u{1f600}t"]);
    assert_eq!(emoji.clean("a \\ud83d s\\ud83d\\ude00t \\u1"), "a \\ud83d … \\u1");
}

#[test]
fn parts_of_basic_credentials_are_masked_and_other_words_are_not() {
    let mut mask = mask(&["canary-secret"]);
    let pair = STANDARD.encode("client-1:canary-secret");
    mask.add_pair(pair.clone());
    for part in [&pair[..], &pair[..12], &pair[5..20], &pair[pair.len() - 11..]] {
        assert_eq!(mask.clean(&format!("bad header Basic {part}!")), "bad header Basic …!", "{part}");
    }
    let words = "authentication failed: unauthorized_client not/permitted for client-1 (100% &amp; \\u0041)";
    assert_eq!(mask.clean(words), words);
}

#[test]
fn foreign_text_is_bounded_and_has_no_control_characters() {
    let clean = Mask::default().clean(&format!("a\r\nb\u{1b}[31m{}", "é".repeat(1000)));
    assert!(clean.starts_with("a  b [31mé"));
    assert_eq!(clean.chars().count(), SHOWN + 1);
    assert!(clean.ends_with('…'));
    assert_eq!(Mask::default().clean(&"é".repeat(READ)).chars().count(), SHOWN + 1);
}

#[test]
fn a_secret_at_the_cut_is_masked_before_the_text_is_cut() {
    let clean = mask(&["canary"]).clean(&format!("{}canary", "x".repeat(SHOWN - 3)));
    assert!(!clean.contains("can"), "{clean}");
}

proptest! {
    #[test]
    fn no_secret_survives_any_three_encodings(
        secret in "\\PC{5,24}", spellings in proptest::collection::vec(0_usize..6, 0..3), text in "[ -~]{0,8}",
    ) {
        let spell = |text: String, how: &usize| match how {
            0 => percent(&text),
            1 => json(&text),
            2 => entities(&text),
            3 => form(&text),
            4 => text,
            _ => crate::flow::request::parts::encode(&text),
        };
        let echo = spellings.iter().fold(secret.clone(), spell);
        let clean = mask(&[&secret]).clean(&format!("{text}{echo} {text}"));
        let trimmed = secret.trim();
        prop_assume!(!trimmed.is_empty() && !text.contains(['%', '&', '\\']));
        prop_assert!(!clean.contains(&echo), "{clean}");
    }

    #[test]
    fn no_text_panics(text in "\\PC*|[%&\\\\u0-9a-f#x;]*") {
        mask(&["canary", "a"]).clean(&text);
    }
}
