//! What Wasmtime makes of `wit/`.
#![allow(clippy::all)]

pub mod scheduler {
    wasmtime::component::bindgen!({
        path: "../../wit/scheduler",
        world: "scheduler-full",
    });
}

pub mod scheduler_v0_1 {
    wasmtime::component::bindgen!({
        path: "../../wit/archive/scheduler-0.1.0",
        world: "scheduler",
        with: { "orch:host": super::scheduler::orch::host },
    });
}

pub mod admission {
    wasmtime::component::bindgen!({
        path: "../../wit/admission",
        world: "admission-view",
        with: { "orch:host": super::scheduler::orch::host },
    });
}

pub mod controller {
    wasmtime::component::bindgen!({
        path: "../../wit/controller",
        world: "controller",
        imports: { default: async },
        exports: { default: async },
        with: { "orch:host": super::scheduler::orch::host },
    });
}

pub mod cni {
    wasmtime::component::bindgen!({
        path: "../../wit/cni",
        world: "cni",
        imports: { default: async },
        exports: { default: async },
        with: {
            "orch:host": super::scheduler::orch::host,
            "orch:cni/network.sandbox": crate::worlds::cni::Sandbox,
        },
    });
}

pub mod csi {
    wasmtime::component::bindgen!({
        path: "../../wit/csi",
        world: "csi",
        imports: { default: async },
        exports: { default: async },
        additional_derives: [PartialEq, Eq],
        with: {
            "orch:host": super::scheduler::orch::host,
            "orch:csi/storage.directory": crate::worlds::csi::Directory,
        },
    });
}
