//! Against a small issuer on this machine.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::pki::{Pki, ServingNames};

/// A key that signs, and its id.
pub struct Key {
    id: &'static str,
    pair: rcgen::KeyPair,
}

impl Key {
    pub fn new(id: &'static str) -> Key {
        Key { id, pair: rcgen::KeyPair::generate().unwrap() }
    }

    fn jwk(&self) -> Value {
        let point = self.pair.public_key_raw();
        json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.id,
            "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..]) })
    }

    pub fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.id.into()), ..Header::new(Algorithm::ES256) };
        let key = EncodingKey::from_ec_pem(self.pair.serialize_pem().as_bytes()).unwrap();
        jsonwebtoken::encode(&header, claims, &key).unwrap()
    }
}

pub struct Issuer {
    pub url: String,
    ca: String,
    keys: Arc<ArcSwap<Value>>,
    /// What it answers where a token says that its groups are.
    groups: Arc<ArcSwap<String>>,
    asked: Arc<AtomicUsize>,
    _dir: tempfile::TempDir,
}

impl Issuer {
    pub async fn start(first: &Key) -> Issuer {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let pki = Pki::open(dir.path()).unwrap();
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let pair = pki.serving(&ServingNames { dns: Vec::new(), ips: vec![local] }).unwrap();
        let mut tls = crate::serve::tls(&pki, &pair).unwrap();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let listener = TcpListener::bind((local, 0)).await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let keys = Arc::new(ArcSwap::from_pointee(json!({ "keys": [first.jwk()] })));
        let asked = Arc::new(AtomicUsize::new(0));
        let groups = Arc::<ArcSwap<String>>::default();
        let documents = (url.clone(), keys.clone(), asked.clone(), groups.clone());
        tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(tls)), documents));
        Issuer { url, ca: pki.ca_certificate().to_string(), keys, groups, asked, _dir: dir }
    }

    fn oidc(&self) -> Oidc {
        Oidc::new(&AuthenticationConfig::parse(&self.document().to_string()).unwrap()).unwrap()
    }

    /// A configuration that takes its tokens.
    pub fn document(&self) -> Value {
        self.document_with(json!({
            "claimValidationRules": [{ "claim": "hd", "requiredValue": "example.com" }],
            "claimMappings": {
                "username": { "claim": "email", "prefix": "oidc:" }, "groups": { "claim": "roles", "prefix": "oidc-" },
                "uid": { "claim": "sub" } },
        }))
    }

    /// `mapping`: the rules and mappings of the issuer's entry.
    fn with(&self, mapping: Value) -> Oidc {
        let document = self.document_with(mapping).to_string();
        Oidc::new(&AuthenticationConfig::parse(&document).unwrap()).unwrap()
    }

    fn document_with(&self, mut mapping: Value) -> Value {
        mapping["issuer"] =
            json!({ "url": self.url, "certificateAuthority": self.ca, "audiences": ["orch"] });
        json!({ "apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration",
            "jwt": [mapping] })
    }

    pub fn claims(&self) -> Value {
        let now = jiff::Timestamp::now().as_second();
        json!({ "iss": self.url, "aud": "orch", "exp": now + 600, "iat": now, "sub": "7", "hd": "example.com",
            "email": "jane@example.com", "email_verified": true, "roles": ["dev", "ops"], "jti": "t1" })
    }
}

type Documents = (String, Arc<ArcSwap<Value>>, Arc<AtomicUsize>, Arc<ArcSwap<String>>);

async fn serve(listener: TcpListener, tls: TlsAcceptor, (url, keys, asked, groups): Documents) {
    while let Ok((stream, _)) = listener.accept().await {
        let Ok(mut stream) = tls.accept(stream).await else { continue };
        let mut request = [0; 4096];
        let read = stream.read(&mut request).await.unwrap();
        let body = if request[..read].starts_with(b"GET /.well-known/openid-configuration ") {
            json!({ "issuer": url, "jwks_uri": format!("{url}/keys") }).to_string()
        } else if request[..read].starts_with(b"GET /groups ") {
            let asked = String::from_utf8_lossy(&request[..read]).to_lowercase();
            assert!(asked.contains("authorization: bearer f005ba11"), "{asked}");
            groups.load().to_string()
        } else {
            asked.fetch_add(1, Ordering::Relaxed);
            keys.load().to_string()
        };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).await.unwrap();
        let _ = stream.shutdown().await;
    }
}

async fn verify(oidc: &Oidc, token: &str) -> Result<Verified, OidcError> {
    oidc.verify(token, &[]).await.expect("the issuer is known")
}

#[tokio::test]
async fn a_token_names_user_and_groups() {
    let key = Key::new("one");
    let issuer = Issuer::start(&key).await;
    let oidc = issuer.oidc();
    let identity = verify(&oidc, &key.sign(&issuer.claims())).await.unwrap().identity;
    assert_eq!(identity.name, "oidc:jane@example.com");
    assert_eq!(identity.groups, ["oidc-dev", "oidc-ops", "system:authenticated"]);
    assert_eq!(identity.uid, "7");
    verify(&oidc, &key.sign(&issuer.claims())).await.unwrap();
    assert_eq!(issuer.asked.load(Ordering::Relaxed), 1, "keys are kept");
    let elsewhere = oidc.verify(&key.sign(&issuer.claims()), &["other".into()]).await.unwrap();
    assert!(matches!(elsewhere, Err(OidcError::Audience { .. })));
}

#[tokio::test]
async fn rotated_keys_are_found_and_those_withdrawn_are_not() {
    let (first, second) = (Key::new("one"), Key::new("two"));
    let issuer = Issuer::start(&first).await;
    let oidc = issuer.oidc();
    verify(&oidc, &first.sign(&issuer.claims())).await.unwrap();
    issuer.keys.store(Arc::new(json!({ "keys": [second.jwk()] })));
    verify(&oidc, &second.sign(&issuer.claims())).await.unwrap();
    let withdrawn = verify(&oidc, &first.sign(&issuer.claims())).await;
    assert!(matches!(withdrawn, Err(OidcError::UnknownKey { .. })));
}

#[tokio::test]
async fn what_does_not_hold_is_refused() {
    let key = Key::new("one");
    let issuer = Issuer::start(&key).await;
    let oidc = issuer.oidc();
    for (claim, value) in [
        ("aud", json!("elsewhere")),
        ("exp", json!(1)),
        ("nbf", json!(jiff::Timestamp::now().as_second() + 3600)),
        ("hd", json!("evil.example")),
        ("email", json!("")),
        ("email_verified", json!(false)),
        ("email", Value::Null),
        ("sub", Value::Null),
        ("sub", json!(7)),
        ("roles", json!(["dev", 7])),
    ] {
        let mut claims = issuer.claims();
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(claim)),
            value => claims[claim] = value,
        }
        assert!(verify(&oidc, &key.sign(&claims)).await.is_err(), "{claim}");
    }
    let forged = Key { id: "one", ..Key::new("other") };
    assert!(verify(&oidc, &forged.sign(&issuer.claims())).await.is_err());
    let mut claims = issuer.claims();
    claims["iss"] = "https://unknown.example".into();
    assert!(oidc.verify(&key.sign(&claims), &[]).await.is_none());
    assert!(oidc.verify("no token", &[]).await.is_none());
}

#[tokio::test]
async fn expressions_name_the_user() {
    let key = Key::new("one");
    let issuer = Issuer::start(&key).await;
    let oidc = issuer.with(json!({
        "claimValidationRules": [
            { "expression": "claims.hd.endsWith('.com')" },
            { "expression": "claims.?email_verified.orValue(false) == true", "message": "verify your address" }],
        "claimMappings": {
            "username": { "expression": "'oidc:' + claims.email.split('@')[0]" },
            "groups": { "expression": "claims.roles.filter(role, role != 'ops').map(role, 'oidc-' + role)" },
            "uid": { "expression": "claims.sub" },
            "extra": [{ "key": "example.com/home", "valueExpression": "claims.hd" },
                { "key": "example.com/none", "valueExpression": "''" }] },
        "userValidationRules": [{ "expression": "!user.username.startsWith('oidc:root')", "message": "not root" }],
    }));
    let identity = verify(&oidc, &key.sign(&issuer.claims())).await.unwrap().identity;
    assert_eq!((&*identity.name, &*identity.uid), ("oidc:jane", "7"));
    assert_eq!(identity.groups, ["oidc-dev", "system:authenticated"]);
    let home = ("example.com/home".to_string(), vec!["example.com".to_string()]);
    assert_eq!(identity.extra[1..], [home]);
    for (claim, value, why) in [
        ("hd", json!("evil.example"), "validation expression 'claims.hd.endsWith('.com')' failed"),
        ("email_verified", json!(false), "verify your address"),
        ("email", json!("root@example.com"), "not root"),
        ("email", json!(7), "resulted in error: no such overload"),
        ("roles", json!([{}]), "resulted in error: no such overload"),
        ("sub", json!(7), "claim expression must return a string"),
    ] {
        let mut claims = issuer.claims();
        claims[claim] = value;
        let refused = verify(&oidc, &key.sign(&claims)).await.map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains(why), "{claim}: {refused}");
    }
}

#[tokio::test]
async fn groups_that_another_server_has_are_asked_for() {
    let key = Key::new("one");
    let issuer = Issuer::start(&key).await;
    let oidc = issuer.oidc();
    let mut claims = issuer.claims();
    claims.as_object_mut().unwrap().remove("roles");
    let without = verify(&oidc, &key.sign(&claims)).await.unwrap().identity;
    assert_eq!(without.groups, ["system:authenticated"]);
    claims["_claim_names"] = json!({ "roles": "src1" });
    claims["_claim_sources"] =
        json!({ "src1": { "endpoint": format!("{}/groups", issuer.url), "access_token": "f005ba11" } });
    let now = jiff::Timestamp::now().as_second();
    let answer = |audience: &str, claim: &str| {
        let answer = json!({ "iss": issuer.url, "aud": audience, "exp": now + 600, claim: ["far"] });
        issuer.groups.store(Arc::new(key.sign(&answer)));
    };
    answer("orch", "roles");
    let identity = verify(&oidc, &key.sign(&claims)).await.unwrap().identity;
    assert_eq!(identity.groups, ["oidc-far", "system:authenticated"]);
    for (audience, claim) in [("elsewhere", "roles"), ("orch", "other")] {
        answer(audience, claim);
        assert!(verify(&oidc, &key.sign(&claims)).await.is_err(), "{audience} {claim}");
    }
    issuer.groups.store(Arc::new("no token".into()));
    assert!(verify(&oidc, &key.sign(&claims)).await.is_err());
    answer("orch", "roles");
    claims["_claim_names"]["roles"] = "src2".into();
    assert!(verify(&oidc, &key.sign(&claims)).await.is_err(), "a source that is not there");
}
