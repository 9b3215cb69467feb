use orch_sdk::fake::scheduler::Scheduler;
use orch_sdk::{Value, json};
use proptest::prelude::*;

use super::*;

fn node(name: &str, images: &[(&str, u64)]) -> Value {
    let image = |(name, mib): &(&str, u64)| json!({"names": [name, format!("{name}@sha256:0")], "sizeBytes": mib * MIB});
    let images: Vec<Value> = images.iter().map(image).collect();
    json!({"metadata": {"name": name}, "status": {"images": images}})
}

fn pod(images: &[&str]) -> Value {
    let containers: Vec<Value> = images.iter().map(|image| json!({"name": "c", "image": image})).collect();
    json!({"spec": {"containers": containers}})
}

/// The first case of upstream's own test: 1,000 MiB is the most that one image counts.
#[test]
fn nodes_with_more_of_the_images_score_higher() {
    let mut host = Scheduler::<ImageLocality>::new();
    host.node(node(
        "a",
        &[("gcr.io/40:latest", 40), ("gcr.io/300:latest", 300), ("gcr.io/2000:latest", 2000)],
    ));
    host.node(node("b", &[("gcr.io/250:latest", 250), ("gcr.io/10:latest", 10)]));
    let scores = host.scores(&pod(&["gcr.io/40", "gcr.io/250"]));
    // 40 / 2 = 20 is below 23; (250 / 2 - 23) / (2000 - 23).
    assert_eq!((scores["a"], scores["b"]), (0, 5));
    let scores = host.scores(&pod(&["gcr.io/40", "gcr.io/300"]));
    assert_eq!((scores["a"], scores["b"]), (7, 0));
    let scores = host.scores(&pod(&["gcr.io/10", "gcr.io/2000"]));
    assert_eq!((scores["a"], scores["b"]), (49, 0));
}

#[test]
fn init_containers_and_image_volumes_count() {
    let mut host = Scheduler::<ImageLocality>::new();
    host.node(node("a", &[("gcr.io/300:latest", 300)])).node(node("b", &[]));
    let spec = json!({
        "containers": [{"image": "other"}],
        "initContainers": [{"image": "gcr.io/300"}],
        "volumes": [{"name": "v"}, {"name": "i", "image": {"reference": "gcr.io/300@sha256:0"}}],
    });
    // The digest is not a name of the image on the node: nodes name it with its tag too.
    let scores = host.scores(&json!({"spec": spec}));
    assert_eq!((scores["a"], scores["b"]), (4, 0));
}

#[test]
fn images_come_and_go() {
    let mut host = Scheduler::<ImageLocality>::new();
    host.node(node("a", &[("x:1", 1000)]));
    assert_eq!(host.scores(&pod(&["x:1"]))["a"], 100);
    host.node(node("b", &[]));
    assert_eq!(host.scores(&pod(&["x:1"]))["a"], 48);
    host.node(node("b", &[("x:1", 500)]));
    assert_eq!(host.scores(&pod(&["x:1"])).into_values().collect::<Vec<_>>(), [100, 48]);
    host.node(node("a", &[])).remove_node("b");
    assert_eq!(host.scores(&pod(&["x:1"]))["a"], 0);
    assert!(host.policy().images.find("x:1").is_none());
}

#[test]
fn names_get_a_tag_where_they_have_none() {
    let tagged = |name: &str| with_tag(name.into());
    assert_eq!(tagged("root"), "root:latest");
    assert_eq!(tagged("root:tag"), "root:tag");
    assert_eq!(tagged("gcr.io:5000/root"), "gcr.io:5000/root:latest");
    assert_eq!(tagged("gcr.io:5000/root:tag"), "gcr.io:5000/root:tag");
    assert_eq!(tagged("root@sha256:0123"), "root@sha256:0123");
}

proptest! {
    #[test]
    fn answers_follow_from_the_state_alone(script: Vec<(u8, u8, u8)>) {
        let mut host = Scheduler::<ImageLocality>::new();
        let images = |number: u8| (0..number % 4).map(|own| (["a:1", "b:1", "c:1"][own as usize], 100 * u64::from(number))).collect::<Vec<_>>();
        host.play(&script, |name, number| node(name, &images(number)), |name, node, _| {
            json!({"metadata": {"name": name}, "spec": {"nodeName": node}})
        });
        host.assert_sound(&pod(&["a:1", "c:1"]));
    }
}
