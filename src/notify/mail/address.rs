//! The addresses of a `mailto:` URL (RFC 6068).

use lettre::Address;
use percent_encoding::percent_decode_str;

/// What such a URL begins with.
const SCHEME: &str = "mailto:";
/// Addresses of one URL: as many as every server takes for one mail (RFC 5321, 4.5.3.1.8).
const MOST: usize = 100;

/// Whether messages to this URL are mails.
pub fn is_mail(url: &str) -> bool {
    url.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
}

/// The addresses of a URL, as they are written in it.
///
/// Errors: in words, with what to write.
pub fn addresses(url: &str) -> Result<Vec<Address>, String> {
    let list = url.get(SCHEME.len()..).unwrap_or_default();
    if list.contains(['?', '#']) {
        return Err("`url` has more than addresses; write mailto:ada@example.com,bob@example.com".to_owned());
    }
    let addresses: Vec<Address> = list.split(',').map(address).collect::<Result<_, _>>()?;
    match addresses.len() {
        1..=MOST => Ok(addresses),
        many => Err(format!("`url` has {many} addresses; {MOST} are the most")),
    }
}

fn address(encoded: &str) -> Result<Address, String> {
    let text = percent_decode_str(encoded).decode_utf8().unwrap_or_default();
    // Quoted names would be allowed, and are a good place to hide things in.
    let odd = |c: char| !c.is_ascii_graphic() || matches!(c, '"' | '\\' | '<' | '>' | ',');
    match text.parse() {
        // A plain slash is not allowed, and mostly means that somebody wrote mailto://.
        Ok(address) if !text.contains(odd) && !encoded.contains('/') => Ok(address),
        _ => Err(format!(
            "`url` has an address that is none: {encoded:?}; write mailto:ada@example.com, without names, \
             with % as %25 and a domain of other letters as xn--…"
        )),
    }
}
