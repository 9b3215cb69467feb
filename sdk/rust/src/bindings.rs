//! What `wit-bindgen` makes of `wit/`. Plugins see the modules above instead.
#![allow(unsafe_code)] // the canonical ABI: generated calls across the component boundary
#![allow(clippy::all)]
#![allow(missing_docs)]

pub mod scheduler {
    wit_bindgen::generate!({
        path: "../../wit/scheduler",
        world: "scheduler-full",
        generate_all,
        pub_export_macro: true,
        default_bindings_module: "orch_sdk::bindings::scheduler",
    });
}

pub mod controller {
    wit_bindgen::generate!({
        path: "../../wit/controller",
        world: "controller",
        generate_all,
        with: {
            "orch:host/log@0.1.0": crate::bindings::scheduler::orch::host::log,
            "orch:host/interests@0.1.0": crate::bindings::scheduler::orch::host::interests,
        },
        pub_export_macro: true,
        default_bindings_module: "orch_sdk::bindings::controller",
    });
}

pub mod admission {
    wit_bindgen::generate!({
        path: "../../wit/admission",
        world: "admission-view",
        generate_all,
        with: {
            "orch:host/log@0.1.0": crate::bindings::scheduler::orch::host::log,
            "orch:host/interests@0.1.0": crate::bindings::scheduler::orch::host::interests,
        },
        pub_export_macro: true,
        default_bindings_module: "orch_sdk::bindings::admission",
    });
}

pub mod cni {
    wit_bindgen::generate!({
        path: "../../wit/cni",
        world: "cni",
        generate_all,
        with: {
            "orch:host/log@0.1.0": crate::bindings::scheduler::orch::host::log,
        },
        pub_export_macro: true,
        default_bindings_module: "orch_sdk::bindings::cni",
    });
}

pub mod csi {
    wit_bindgen::generate!({
        path: "../../wit/csi",
        world: "csi",
        generate_all,
        with: {
            "orch:host/log@0.1.0": crate::bindings::scheduler::orch::host::log,
        },
        additional_derives: [PartialEq, Eq],
        pub_export_macro: true,
        default_bindings_module: "orch_sdk::bindings::csi",
    });
}
