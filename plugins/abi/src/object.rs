//! Makes trait objects of the boundary from plain implementations, so that no other crate has to name `abi_stable`.

use abi_stable::sabi_trait::TD_Opaque;

use crate::{
    host::{HostBox, HostV1, HostV1_TO},
    plugin::{PluginBox, PluginV1, PluginV1_TO},
    port::{
        EndpointBox, EndpointV1, EndpointV1_TO, ExporterBox, ExporterV1, ExporterV1_TO, ProtocolBox,
        ProtocolV1, ProtocolV1_TO, RouterBox, RouterV1, RouterV1_TO, StoreBox, StoreV1, StoreV1_TO,
    },
};

/// Boxes a host.
pub fn host<T: HostV1>(value: T) -> HostBox {
    HostV1_TO::from_value(value, TD_Opaque)
}

/// Boxes a plugin.
pub fn plugin<T: PluginV1>(value: T) -> PluginBox {
    PluginV1_TO::from_value(value, TD_Opaque)
}

/// Boxes an endpoint.
pub fn endpoint<T: EndpointV1>(value: T) -> EndpointBox {
    EndpointV1_TO::from_value(value, TD_Opaque)
}

/// Boxes a router.
pub fn router<T: RouterV1>(value: T) -> RouterBox {
    RouterV1_TO::from_value(value, TD_Opaque)
}

/// Boxes a protocol.
pub fn protocol<T: ProtocolV1>(value: T) -> ProtocolBox {
    ProtocolV1_TO::from_value(value, TD_Opaque)
}

/// Boxes an exporter.
pub fn exporter<T: ExporterV1>(value: T) -> ExporterBox {
    ExporterV1_TO::from_value(value, TD_Opaque)
}

/// Boxes a store.
pub fn store<T: StoreV1>(value: T) -> StoreBox {
    StoreV1_TO::from_value(value, TD_Opaque)
}
