//! Certificates written byte by byte (RFC 5280): subject, key and names are those of the request as
//! they stand there, of whatever type and number, which rcgen's parameters cannot hold.

use jiff::Timestamp;
use rcgen::{KeyPair, SigningKey};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::X509Certificate;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const BOOLEAN_TRUE: [u8; 3] = [0x01, 0x01, 0xff];
const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// 2.5.29.…
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 17];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const AUTHORITY_KEY: &[u8] = &[0x55, 0x1d, 35];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
/// 1.3.6.1.5.5.7.3.…
const PURPOSES: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03];
const ANY_PURPOSE: &[u8] = &[0x55, 0x1d, 37, 0];

/// What the authority adds to a request.
pub struct Terms<'a> {
    /// As in `spec.usages`.
    pub usages: &'a [String],
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

/// The certificate, DER. The authority's key is ECDSA on P-256.
pub fn sign(
    request: &X509CertificationRequest<'_>,
    terms: &Terms<'_>,
    authority: &X509Certificate<'_>,
    key: &KeyPair,
) -> Result<Vec<u8>, rcgen::Error> {
    let algorithm = tlv(SEQUENCE, &tlv(OID, ECDSA_WITH_SHA256));
    let info = &request.certification_request_info;
    let mut serial: [u8; 16] = rand::random();
    serial[0] = serial[0] & 0x7f | 0x40;
    let body = [
        tlv(0xa0, &tlv(INTEGER, &[2])),
        tlv(INTEGER, &serial),
        algorithm.clone(),
        authority.subject().as_raw().to_vec(),
        tlv(SEQUENCE, &[time(terms.not_before), time(terms.not_after)].concat()),
        info.subject.as_raw().to_vec(),
        info.subject_pki.raw.to_vec(),
        tlv(0xa3, &tlv(SEQUENCE, &extensions(request, terms.usages, authority))),
    ];
    let body = tlv(SEQUENCE, &body.concat());
    let signature = key.sign(&body)?;
    Ok(tlv(SEQUENCE, &[body, algorithm, bits(&signature)].concat()))
}

fn extensions(
    request: &X509CertificationRequest<'_>,
    usages: &[String],
    authority: &X509Certificate<'_>,
) -> Vec<u8> {
    let mut extensions = Vec::new();
    if let Some(bits) = key_usage(usages) {
        extensions.extend(extension(KEY_USAGE, true, &bits));
    }
    let purposes: Vec<u8> = usages.iter().filter_map(|usage| purpose(usage)).flatten().collect();
    if !purposes.is_empty() {
        extensions.extend(extension(EXTENDED_KEY_USAGE, false, &tlv(SEQUENCE, &purposes)));
    }
    extensions.extend(extension(BASIC_CONSTRAINTS, true, &tlv(SEQUENCE, &[])));
    let authority_key =
        authority.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        });
    if let Some(id) = authority_key {
        extensions.extend(extension(AUTHORITY_KEY, false, &tlv(SEQUENCE, &tlv(0x80, &id))));
    }
    if let Some(names) = alternative_names(request) {
        extensions.extend(extension(ALTERNATIVE_NAMES, false, &names));
    }
    extensions
}

/// As the request has them.
fn alternative_names(request: &X509CertificationRequest<'_>) -> Option<Vec<u8>> {
    request.certification_request_info.iter_attributes().find_map(|attribute| {
        match attribute.parsed_attribute() {
            ParsedCriAttribute::ExtensionRequest(wanted) => wanted
                .extensions
                .iter()
                .find(|extension| {
                    matches!(extension.parsed_extension(), ParsedExtension::SubjectAlternativeName(_))
                })
                .map(|extension| extension.value.to_vec()),
            _ => None,
        }
    })
}

fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &BOOLEAN_TRUE } else { &[] };
    tlv(SEQUENCE, &[&tlv(OID, oid), critical, &tlv(OCTET_STRING, value)].concat())
}

const KEY_USAGES: [&str; 9] = [
    "digital signature",
    "content commitment",
    "key encipherment",
    "data encipherment",
    "key agreement",
    "cert sign",
    "crl sign",
    "encipher only",
    "decipher only",
];

/// A BIT STRING, the first usage in the highest bit; trailing zeros are left out.
fn key_usage(usages: &[String]) -> Option<Vec<u8>> {
    let mut flags: u16 = 0;
    for usage in usages {
        let usage = if usage == "signing" { "digital signature" } else { usage };
        if let Some(bit) = KEY_USAGES.iter().position(|known| *known == usage) {
            flags |= 0x8000 >> bit;
        }
    }
    let bytes = flags.to_be_bytes();
    let used = if bytes[1] != 0 { &bytes[..] } else { &bytes[..1] };
    let unused = used.last().map_or(0, |last| last.trailing_zeros().min(7)) as u8;
    (flags != 0).then(|| tlv(BIT_STRING, &[&[unused], used].concat()))
}

fn purpose(usage: &str) -> Option<Vec<u8>> {
    let last = match usage {
        "any" => return Some(tlv(OID, ANY_PURPOSE)),
        "server auth" => 1,
        "client auth" => 2,
        "code signing" => 3,
        "email protection" | "s/mime" => 4,
        "ipsec end system" => 5,
        "ipsec tunnel" => 6,
        "ipsec user" => 7,
        "timestamping" => 8,
        "ocsp signing" => 9,
        _ => return None,
    };
    Some(tlv(OID, &[PURPOSES, &[last]].concat()))
}

/// UTCTime up to 2049, GeneralizedTime after.
fn time(at: Timestamp) -> Vec<u8> {
    let text = at.strftime("%Y%m%d%H%M%SZ").to_string();
    if text.as_str() < "2050" { tlv(0x17, &text.as_bytes()[2..]) } else { tlv(0x18, text.as_bytes()) }
}

fn bits(bytes: &[u8]) -> Vec<u8> {
    tlv(BIT_STRING, &[&[0], bytes].concat())
}

/// Tag, length, value.
fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match value.len() {
        short @ 0..=127 => out.push(short as u8),
        long => {
            let bytes = long.to_be_bytes();
            let from = bytes.iter().position(|byte| *byte != 0).unwrap_or(0);
            out.push(0x80 | (bytes.len() - from) as u8);
            out.extend(&bytes[from..]);
        }
    }
    out.extend(value);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_usages_are_ders() {
        assert_eq!(tlv(4, &[1]), [4, 1, 1]);
        assert_eq!(tlv(4, &[0; 200])[..3], [4, 0x81, 200]);
        assert_eq!(tlv(4, &[0; 300])[..4], [4, 0x82, 1, 44]);
        let usage = |usages: &[&str]| key_usage(&usages.iter().map(|u| u.to_string()).collect::<Vec<_>>());
        assert_eq!(usage(&["digital signature", "key encipherment"]), Some(vec![3, 2, 5, 0xa0]));
        assert_eq!(usage(&["decipher only"]), Some(vec![3, 3, 7, 0, 0x80]));
        assert_eq!(usage(&["client auth"]), None);
    }
}
