//! A driver that tries to get out, does not come back, or answers what cannot be.

use orch_plugin::calls::CallError;
use orch_plugin::calls::csi::{Answer, Code, CsiPlugin, Volume};

use super::directory::Disk;
use super::*;

async fn told(driver: &CsiComponent, disk: &Disk, parameters: &[(&str, &str)]) -> Answer<Volume> {
    let mut request = new_volume("v", 100);
    request.parameters =
        parameters.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    request.accessibility.requisite = vec![vec![("zone".into(), "x".into())]];
    driver.create_volume(&request, disk.place("v"), None).await
}

async fn acts(driver: &CsiComponent, disk: &Disk, what: &str) -> Answer<Volume> {
    told(driver, disk, &[("hostile", what)]).await
}

#[tokio::test]
async fn no_path_leads_out_of_a_directory() {
    let (driver, disk) = (driver().await, Disk::new());
    let error = acts(&driver, &disk, "escape").await.unwrap().unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (Code::PermissionDenied, "there is no way out"));
    assert_eq!(disk.outside(), (vec!["secret".into(), "v".into()], "not yours".into()));
}

#[tokio::test]
async fn a_trap_ends_the_instance_and_not_the_driver() {
    let (driver, disk) = (driver().await, Disk::new());
    assert!(acts(&driver, &disk, "").await.unwrap().is_ok());
    assert!(!driver.probe().await.unwrap().unwrap(), "it has seen a call");
    let first = driver.instance();
    let error = acts(&driver, &disk, "trap").await.unwrap_err();
    let CallError::Trapped { plugin, function, trap } = error else { panic!("not a trap") };
    assert_eq!((plugin.as_str(), function), ("fake", "create-volume"));
    assert!(trap.contains("told to"), "{trap}");
    // What was written is there for the fresh instance.
    assert!(driver.probe().await.unwrap().unwrap());
    assert_ne!(driver.instance(), first);
    let volume = acts(&driver, &disk, "").await.unwrap().unwrap();
    assert_eq!((volume.capacity_bytes, volume.context[0].1.as_str()), (100, "1"));
    assert_eq!(driver.stats().traps, 1);
}

#[tokio::test]
async fn a_driver_that_does_not_return_is_ended() {
    let (driver, disk) = (driver().await, Disk::new());
    let error = acts(&driver, &disk, "spin").await.unwrap_err();
    assert!(matches!(error, CallError::Deadline { millis: 200, .. }), "{error}");
    let error = acts(&driver, &disk, "memory").await.unwrap_err().to_string();
    assert!(error.contains("spec.limits.memory"), "{error}");
    assert!(acts(&driver, &disk, "").await.unwrap().is_ok());
}

#[tokio::test]
async fn answers_that_cannot_be_are_refused() {
    let (driver, disk) = (driver().await, Disk::new());
    for (what, why) in [
        ("small", "it made 99 bytes and was asked for at least 100"),
        ("nameless", "the volume has no id"),
        ("long-id", "has 129 bytes and may have 128"),
        ("control", "has a control character"),
        ("context", "its context has 4097 bytes and may have 4096"),
        ("twice", "its context names \"x\" twice"),
        ("far", "can be reached from none of the places"),
    ] {
        let error = acts(&driver, &disk, what).await.unwrap_err();
        assert!(matches!(&error, CallError::Refused { message, .. } if message.contains(why)), "{error}");
    }
    let elsewhere = vec![("zone".to_string(), "elsewhere".to_string())];
    let error = driver.info("n1", &elsewhere).await.unwrap_err().to_string();
    assert!(error.contains("\"unheard-of\" is not one of its topology keys"), "{error}");
    assert!(driver.info("", &vec![]).await.unwrap_err().to_string().contains("the node has no id"));
}

#[tokio::test]
async fn codes_are_csis_own() {
    let (driver, disk) = (driver().await, Disk::new());
    for (name, code) in [
        ("aborted", Code::Aborted),
        ("cancelled", Code::Cancelled),
        ("out-of-range", Code::OutOfRange),
        ("not-found", Code::NotFound),
        ("resource-exhausted", Code::ResourceExhausted),
        ("?", Code::Unknown),
    ] {
        let answer = told(&driver, &disk, &[("hostile", "code"), ("code", name)]).await;
        let error = answer.unwrap().unwrap_err();
        assert_eq!(error.code, code);
        assert!(error.message.len() < 1100, "{} bytes", error.message.len());
        assert_eq!(error.code.is_final(), !matches!(name, "aborted" | "cancelled"), "{name}");
    }
    let wrong = told(&driver, &disk, &[("hostile", "code"), ("code", "failed-precondition")]).await;
    let error = wrong.unwrap_err().to_string();
    assert!(error.contains("it answered FAILED_PRECONDITION, which CSI does not know there"), "{error}");
    let hostile = vec![("hostile".to_string(), "yes".to_string())];
    let error = driver.delete_volume("v", &hostile, disk.place("v")).await.unwrap_err().to_string();
    assert!(error.contains("what is gone is deleted, which is success"), "{error}");
}

#[tokio::test]
async fn what_is_read_and_written_is_bounded() {
    let (driver, disk) = (driver().await, Disk::new());
    let error = acts(&driver, &disk, "large-file").await.unwrap().unwrap_err();
    assert_eq!(error.code, Code::OutOfRange);
    let volume = disk.place("v");
    std::fs::create_dir(volume.path().join("many")).unwrap();
    (0..=10_000).for_each(|number| volume.put(&format!("many/{number}"), ""));
    let error = acts(&driver, &disk, "many-entries").await.unwrap().unwrap_err();
    assert!(error.message.contains("more than 10000 entries"), "{}", error.message);
    volume.put("record", &"x".repeat((64 << 10) + 1));
    let error = acts(&driver, &disk, "").await.unwrap().unwrap_err();
    assert!(error.message.contains("more than 65536 bytes"), "{}", error.message);
}
