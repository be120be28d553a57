//! Which method of which service is which control operation.

use std::sync::LazyLock;

use prost_reflect::MethodDescriptor;

use crate::contract::{pool, text};

/// A method that is a control operation.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The operation, for example `agents.get`.
    pub verb: String,
    /// The path of its calls, for example `/caxton.v1.AgentService/GetAgent`.
    pub path: String,
    /// The method.
    pub method: MethodDescriptor,
}

/// Every method that is a control operation, in the order of the files.
pub fn operations() -> &'static [Operation] {
    static OPERATIONS: LazyLock<Vec<Operation>> = LazyLock::new(|| {
        let services = pool().services().filter(|service| service.package_name() == "caxton.v1");
        let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
        methods.filter_map(operation).collect()
    });
    &OPERATIONS
}

fn operation(method: MethodDescriptor) -> Option<Operation> {
    let verb = text(&method.options(), "caxton.v1.verb");
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    (!verb.is_empty()).then_some(Operation { verb, path, method })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_one_method_and_at_most_one_stream() {
        for streaming in [false, true] {
            let mut verbs: Vec<&str> = operations()
                .iter()
                .filter(|operation| operation.method.is_server_streaming() == streaming)
                .map(|operation| operation.verb.as_str())
                .collect();
            verbs.sort_unstable();
            let count = verbs.len();
            verbs.dedup();
            assert_eq!(verbs.len(), count);
            assert!(count > 4);
        }
    }
}
