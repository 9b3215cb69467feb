//! The cluster's own certificate authority and what it signs.
//!
//! Everything lies under `<data-dir>/pki` with mode 0600. The CA and the service-account key live
//! for ever (clients and tokens depend on them); leaf certificates are signed again when less than
//! a third of their life is left, or when the names they must carry have changed.

use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::signer::{self, Terms};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};

use x509_parser::certification_request::X509CertificationRequest;

/// The name of this server to extension servers.
pub const FRONT_PROXY_CLIENT: &str = "front-proxy-client";

const CA_DAYS: i64 = 3650;
const LEAF_DAYS: i64 = 365;
/// Signed again when fewer days than this are left.
const RENEW_DAYS: i64 = 120;

#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    #[error("cannot {what} {path}: {source}")]
    File { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error("cannot make {what}: {source}")]
    Generate { what: &'static str, source: rcgen::Error },
    #[error("{path} is damaged ({why}); restore it, or remove {dir} to begin with a new CA")]
    Damaged { path: PathBuf, dir: PathBuf, why: String },
}

/// A certificate chain and its private key, both PEM.
#[derive(Clone)]
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

/// What the serving certificate must be valid for.
#[derive(Debug, Clone, Default)]
pub struct ServingNames {
    pub dns: Vec<String>,
    pub ips: Vec<IpAddr>,
}

/// The open PKI directory.
#[derive(Clone)]
pub struct Pki {
    dir: PathBuf,
    ca: Pair,
    /// Signs only what extension servers know this server by: no client of the API is of it.
    front_proxy_ca: Pair,
    service_account_key: String,
}

impl Pki {
    /// Opens the directory, making it and whatever is missing in it.
    pub fn open(dir: &Path) -> Result<Pki, PkiError> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|source| PkiError::File { what: "create", path: dir.into(), source })?;
        let ca = match load_pair(dir, "ca")? {
            Some(pair) => pair,
            None => store_pair(dir, "ca", generate_ca("orch-ca")?)?,
        };
        let front_proxy_ca = match load_pair(dir, "front-proxy-ca")? {
            Some(pair) => pair,
            None => store_pair(dir, "front-proxy-ca", generate_ca("orch-front-proxy-ca")?)?,
        };
        let path = dir.join("service-account.key");
        let service_account_key = match read(&path)? {
            Some(key) => key,
            None => {
                let key = generate_key("the service-account key")?.serialize_pem();
                write(&path, &key)?;
                key
            }
        };
        let pki = Pki { dir: dir.into(), ca, front_proxy_ca, service_account_key };
        pki.issuer("ca", &pki.ca)?;
        Ok(pki)
    }

    /// The CA's certificate, PEM.
    pub fn ca_certificate(&self) -> &str {
        &self.ca.certificate
    }

    /// The EC P-256 key that signs service-account tokens, PKCS#8 PEM.
    pub fn service_account_key(&self) -> &str {
        &self.service_account_key
    }

    /// The API server's certificate for these names.
    pub fn serving(&self, names: &ServingNames) -> Result<Pair, PkiError> {
        let wanted = |pair: &Pair| serving_names(&pair.certificate).is_some_and(|have| covers(&have, names));
        self.leaf("apiserver", wanted, || {
            let mut params = subject("kube-apiserver", &[]);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            for dns in &names.dns {
                let name = dns.as_str().try_into().map_err(|source| PkiError::Generate {
                    what: "a DNS name of the serving certificate",
                    source,
                })?;
                params.subject_alt_names.push(SanType::DnsName(name));
            }
            params.subject_alt_names.extend(names.ips.iter().copied().map(SanType::IpAddress));
            Ok(params)
        })
    }

    /// Signs somebody else's request, PEM; no longer than the CA itself is valid.
    pub fn sign(&self, request: &X509CertificationRequest<'_>, terms: Terms<'_>) -> Result<String, PkiError> {
        let damaged = |file: &str, why: String| PkiError::Damaged {
            path: self.dir.join(file),
            dir: self.dir.clone(),
            why,
        };
        let key = KeyPair::from_pem(&self.ca.key).map_err(|error| damaged("ca.key", error.to_string()))?;
        let (_, pem) = x509_parser::pem::parse_x509_pem(self.ca.certificate.as_bytes())
            .map_err(|error| damaged("ca.crt", error.to_string()))?;
        let authority = pem.parse_x509().map_err(|error| damaged("ca.crt", error.to_string()))?;
        let end = jiff::Timestamp::from_second(authority.validity().not_after.timestamp())
            .unwrap_or(terms.not_after);
        let terms = Terms { not_after: terms.not_after.min(end), ..terms };
        let signed = signer::sign(request, &terms, &authority, &key)
            .map_err(|source| PkiError::Generate { what: "a certificate", source })?;
        Ok(orch_object::pem::encode("CERTIFICATE", &signed))
    }

    /// A client certificate: `user` is the CN, `groups` the Os. Kept as `FILE.crt` and `FILE.key`.
    pub fn client(&self, file: &str, user: &str, groups: &[&str]) -> Result<Pair, PkiError> {
        self.leaf(
            file,
            |_| true,
            || {
                let mut params = subject(user, groups);
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
                Ok(params)
            },
        )
    }

    /// The certificate of the authority that extension servers are to believe, PEM.
    pub fn front_proxy_ca_certificate(&self) -> &str {
        &self.front_proxy_ca.certificate
    }

    /// What this server shows extension servers.
    pub fn front_proxy_client(&self) -> Result<Pair, PkiError> {
        let params = || {
            let mut params = subject(FRONT_PROXY_CLIENT, &[]);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            Ok(params)
        };
        let issuer = || self.issuer("front-proxy-ca", &self.front_proxy_ca);
        self.leaf_of(FRONT_PROXY_CLIENT, |_| true, params, issuer)
    }

    fn leaf(
        &self,
        file: &str,
        still_fits: impl Fn(&Pair) -> bool,
        params: impl FnOnce() -> Result<CertificateParams, PkiError>,
    ) -> Result<Pair, PkiError> {
        self.leaf_of(file, still_fits, params, || self.issuer("ca", &self.ca))
    }

    fn leaf_of(
        &self,
        file: &str,
        still_fits: impl Fn(&Pair) -> bool,
        params: impl FnOnce() -> Result<CertificateParams, PkiError>,
        issuer: impl FnOnce() -> Result<Issuer<'static, KeyPair>, PkiError>,
    ) -> Result<Pair, PkiError> {
        if let Some(pair) = load_pair(&self.dir, file)?
            && days_left(&pair.certificate).is_some_and(|days| days > RENEW_DAYS)
            && still_fits(&pair)
        {
            return Ok(pair);
        }
        let mut params = params()?;
        valid_for(&mut params, LEAF_DAYS);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = generate_key("a private key")?;
        let certificate = params
            .signed_by(&key, &issuer()?)
            .map_err(|source| PkiError::Generate { what: "a certificate", source })?;
        store_pair(&self.dir, file, Pair { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    fn issuer(&self, file: &str, authority: &Pair) -> Result<Issuer<'static, KeyPair>, PkiError> {
        let damaged = |end: &str, error: rcgen::Error| PkiError::Damaged {
            path: self.dir.join(format!("{file}.{end}")),
            dir: self.dir.clone(),
            why: error.to_string(),
        };
        let key = KeyPair::from_pem(&authority.key).map_err(|e| damaged("key", e))?;
        Issuer::from_ca_cert_pem(&authority.certificate, key).map_err(|e| damaged("crt", e))
    }
}

fn generate_key(what: &'static str) -> Result<KeyPair, PkiError> {
    KeyPair::generate().map_err(|source| PkiError::Generate { what, source })
}

fn generate_ca(name: &str) -> Result<Pair, PkiError> {
    let mut params = subject(name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    valid_for(&mut params, CA_DAYS);
    let key = generate_key("the CA's key")?;
    let certificate =
        params.self_signed(&key).map_err(|source| PkiError::Generate { what: "the CA", source })?;
    Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
}

fn subject(user: &str, groups: &[&str]) -> CertificateParams {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, user);
    // rcgen keeps one value for each type; a certificate of ours never names more than one group.
    for group in groups {
        name.push(DnType::OrganizationName, *group);
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params
}

fn valid_for(params: &mut CertificateParams, days: i64) {
    use std::time::{Duration, SystemTime};
    let now = SystemTime::now();
    // Clocks of other machines may be behind.
    params.not_before = (now - Duration::from_secs(3600)).into();
    params.not_after = (now + Duration::from_secs(days.unsigned_abs() * 86_400)).into();
}

/// Whole days until the first certificate of the PEM expires; `None` when it cannot be read.
fn days_left(pem: &str) -> Option<i64> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).ok()?;
    let certificate = pem.parse_x509().ok()?;
    let left = certificate.validity().not_after.timestamp() - jiff::Timestamp::now().as_second();
    Some(left / 86_400)
}

fn serving_names(pem: &str) -> Option<ServingNames> {
    use x509_parser::extensions::GeneralName;
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).ok()?;
    let certificate = pem.parse_x509().ok()?;
    let mut names = ServingNames::default();
    for name in &certificate.subject_alternative_name().ok()??.value.general_names {
        match name {
            GeneralName::DNSName(dns) => names.dns.push(dns.to_string()),
            GeneralName::IPAddress(bytes) => names.ips.extend(ip_address(bytes)),
            _ => {}
        }
    }
    Some(names)
}

fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

fn covers(have: &ServingNames, wanted: &ServingNames) -> bool {
    wanted.dns.iter().all(|n| have.dns.contains(n)) && wanted.ips.iter().all(|n| have.ips.contains(n))
}

fn load_pair(dir: &Path, file: &str) -> Result<Option<Pair>, PkiError> {
    let certificate = read(&dir.join(format!("{file}.crt")))?;
    let key = read(&dir.join(format!("{file}.key")))?;
    Ok(certificate.zip(key).map(|(certificate, key)| Pair { certificate, key }))
}

fn store_pair(dir: &Path, file: &str, pair: Pair) -> Result<Pair, PkiError> {
    write(&dir.join(format!("{file}.key")), &pair.key)?;
    write(&dir.join(format!("{file}.crt")), &pair.certificate)?;
    Ok(pair)
}

fn read(path: &Path) -> Result<Option<String>, PkiError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(PkiError::File { what: "read", path: path.into(), source }),
    }
}

/// Writes a file that only its owner may read; readers see the old or the new content, never a part.
pub fn write(path: &Path, content: &str) -> Result<(), PkiError> {
    let part = path.with_extension("part");
    let failed = |what| move |source| PkiError::File { what, path: path.to_path_buf(), source };
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)
        .map_err(failed("create"))?;
    file.write_all(content.as_bytes()).and_then(|()| file.sync_all()).map_err(failed("write"))?;
    std::fs::rename(&part, path).map_err(failed("rename"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(ips: &[&str]) -> ServingNames {
        ServingNames {
            dns: vec!["localhost".into()],
            ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
        }
    }

    #[test]
    fn certificates_are_kept_until_their_names_change() {
        let dir = tempfile::tempdir().unwrap();
        let pki = Pki::open(&dir.path().join("pki")).unwrap();
        let first = pki.serving(&names(&["127.0.0.1"])).unwrap();
        let again = Pki::open(&dir.path().join("pki")).unwrap().serving(&names(&["127.0.0.1"])).unwrap();
        assert_eq!(first.certificate, again.certificate);
        let more = pki.serving(&names(&["127.0.0.1", "10.0.0.7"])).unwrap();
        assert_ne!(first.certificate, more.certificate);
    }

    #[test]
    fn private_files_are_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pki");
        Pki::open(&path).unwrap().client("admin", "orch-admin", &["system:masters"]).unwrap();
        for file in ["ca.key", "admin.key", "service-account.key"] {
            let mode = std::fs::metadata(path.join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }

    #[test]
    fn a_damaged_ca_is_named() {
        let dir = tempfile::tempdir().unwrap();
        Pki::open(dir.path()).unwrap();
        std::fs::write(dir.path().join("ca.key"), "not a key").unwrap();
        let error = Pki::open(dir.path()).err().unwrap().to_string();
        assert!(error.contains("ca.key is damaged"), "{error}");
    }
}
