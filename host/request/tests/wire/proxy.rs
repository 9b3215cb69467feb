//! `proxy` of pods, services and nodes, to a real HTTP server.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fixture::{Api, answer, own_address, pod};
use crate::outside::{Outside, Reply};

/// A program in a pod: says back what it was asked.
async fn program() -> Outside {
    Outside::plain(|seen| match seen.path.as_str() {
        "/page" => Reply::Raw(
            200,
            vec![
                ("content-type", "text/html; charset=utf-8".into()),
                ("access-control-allow-origin", "*".into()),
            ],
            br#"<a href="/there">there</a>"#.to_vec(),
        ),
        "/away" => Reply::Raw(302, vec![("location", "/there?x=1".into())], vec![]),
        _ => Reply::Json(json!({ "method": seen.method, "path": seen.path,
            "body": String::from_utf8_lossy(&seen.body), "token": seen.headers.contains_key("authorization"),
            "forwarded": seen.headers.get("x-forwarded-uri").and_then(|uri| uri.to_str().ok()) })),
    })
    .await
}

/// A pod that seems to run where the program does, and its path.
async fn running(api: &Api, namespace: &str, ip: &str, port: u16) -> String {
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let mut object = pod("p");
    object["spec"]["containers"][0]["ports"] = json!([{ "containerPort": port }]);
    api.post(&path, &object).await.expect(201);
    let status = json!({ "status": { "phase": "Running", "podIP": ip, "podIPs": [{ "ip": ip }] } });
    api.patch(&format!("{path}/p/status"), "merge", &status).await.expect(200);
    format!("{path}/p")
}

#[tokio::test]
async fn a_pod_is_reached_with_any_method() {
    let Some(ip) = own_address() else { return };
    let (api, program) = (Api::start().await, program().await);
    let namespace = api.namespace().await;
    let port = program.address.port();
    let path = running(&api, &namespace, &ip, port).await;

    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let request = api.request(method.parse().unwrap(), &format!("{path}/proxy/a%2Fb/c/?x=1&y=%20"));
        let said = answer(request.body("text").header("authorization", "Bearer mine")).await.expect(200);
        let prefix = format!("{path}/proxy");
        let expected = json!({ "method": method, "path": "/a%2Fb/c/?x=1&y=%20", "body": "text", "token": false,
            "forwarded": format!("{prefix}/a%2Fb/c/") });
        assert_eq!(said, expected);
    }
    let named = api.get(&format!("{path}:{port}/proxy/")).await.expect(200);
    assert_eq!(named["path"], "/");
    let root = answer(api.request(Method::GET, &format!("{path}/proxy?x=1"))).await;
    // The client followed to the path that ends in a slash.
    assert_eq!(root.expect(200)["path"], "/?x=1");

    let page = api.get(&format!("{path}/proxy/page")).await;
    assert_eq!(page.text, format!(r#"<a href="{path}/proxy/there">there</a>"#));
    assert!(!page.headers.contains_key("access-control-allow-origin"));
    assert_eq!(api.get(&format!("{path}/proxy/away")).await.expect(200)["path"], "/there?x=1");
}

#[tokio::test]
async fn what_cannot_be_reached_is_named() {
    let Some(ip) = own_address() else { return };
    let (api, program) = (Api::start().await, program().await);
    let namespace = api.namespace().await;
    let path = running(&api, &namespace, "127.0.0.1", program.address.port()).await;
    let own = api.get(&format!("{path}/proxy/")).await;
    assert_eq!(own.message(), "address not allowed");
    own.expect(400);
    let status = json!({ "status": { "podIP": ip, "podIPs": [{ "ip": ip }] } });
    api.patch(&format!("{path}/status"), "merge", &status).await.expect(200);
    let free = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap().local_addr().unwrap().port();
    let nobody = api.get(&format!("{path}:{free}/proxy/")).await;
    let expected =
        format!("error trying to reach service: dial tcp {ip}:{free}: connect: connection refused");
    assert_eq!(nobody.message(), expected);
    nobody.expect(503);
    api.get(&format!("/api/v1/namespaces/{namespace}/pods/none/proxy/")).await.expect(404);
    api.get(&format!("/api/v1/namespaces/{namespace}/pods/a:b:c:d/proxy/")).await.expect(400);
    let services = format!("/api/v1/namespaces/{namespace}/services");
    let nowhere = api.get(&format!("{services}/s:http/proxy/")).await;
    assert_eq!(nowhere.message(), r#"no endpoints available for service "s""#);
    nowhere.expect(503);
}

#[tokio::test]
async fn a_service_is_reached_by_port_name_and_number() {
    let Some(ip) = own_address() else { return };
    let (api, program) = (Api::start().await, program().await);
    let namespace = api.namespace().await;
    let port = program.address.port();
    running(&api, &namespace, &ip, port).await;
    let services = format!("/api/v1/namespaces/{namespace}/services");
    let service =
        json!({ "metadata": { "name": "s" }, "spec": { "ports": [{ "name": "web", "port": 80 }] } });
    api.post(&services, &service).await.expect(201);
    let slice = |name: &str, pod: &str| {
        json!({ "metadata": { "name": name, "labels": { "kubernetes.io/service-name": "s" } },
            "addressType": "IPv4", "ports": [{ "name": "web", "port": port }],
            "endpoints": [{ "addresses": [ip], "targetRef": { "kind": "Pod", "name": pod, "namespace": namespace } }] })
    };
    let slices = format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices");
    // Whoever writes endpoints does not choose whom the API calls.
    api.post(&slices, &slice("forged", "no-such-pod")).await.expect(201);
    api.get(&format!("{services}/s:web/proxy/x")).await.expect(503);
    api.post(&slices, &slice("real", "p")).await.expect(201);
    for id in ["s:web", "s:80", "http:s:web"] {
        assert_eq!(api.get(&format!("{services}/{id}/proxy/x")).await.expect(200)["path"], "/x", "{id}");
    }
    let unknown = api.get(&format!("{services}/s:81/proxy/x")).await;
    assert_eq!(unknown.message(), r#"no service port 81 found for service "s""#);
}

#[tokio::test]
async fn another_protocol_is_spoken_through() {
    let Some(ip) = own_address() else { return };
    let (api, program) = (Api::start().await, program().await);
    let namespace = api.namespace().await;
    let path = running(&api, &namespace, &ip, program.address.port()).await;
    let request = api.http1(Method::GET, &format!("{path}/proxy/chat"));
    let answer = request.header("connection", "Upgrade").header("upgrade", "echo").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["upgrade"]), (101, &"echo".parse().unwrap()));
    let mut stream = answer.upgrade().await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    let mut said = [0; 5];
    stream.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"hello");
}

#[tokio::test]
async fn a_node_without_an_agent_is_out_of_reach() {
    let api = Api::start().await;
    api.post("/api/v1/nodes", &json!({ "metadata": { "name": "n" } })).await.expect(201);
    let out: Value = api.get("/api/v1/nodes/n/proxy/healthz").await.expect(503);
    assert!(out["message"].as_str().unwrap().contains("cannot be reached"), "{out}");
}
