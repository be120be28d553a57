//! The descriptors, and how each message looks as a JSON object.
//!
//! The options of `caxton/v1/options.proto` are read once for every message, because reading an option decodes it.

use std::{
    collections::HashMap,
    sync::{LazyLock, OnceLock},
};

use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, ExtensionDescriptor, FieldDescriptor, FileDescriptor, Kind,
    MessageDescriptor, Value,
};

/// The descriptors of `caxton.v1` and what it imports, with comments: an encoded `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!("generated/caxton.v1.bin");

/// Every descriptor of the contract.
pub fn pool() -> &'static DescriptorPool {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    // The bytes are made by a test of this crate, which also decodes them.
    POOL.get_or_init(|| DescriptorPool::decode(DESCRIPTORS).unwrap_or_default())
}

/// How a message looks in JSON.
pub(crate) struct Shape {
    /// The document's `kind`; empty for none.
    pub(crate) kind: String,
    /// Its fields, in the order of the file.
    pub(crate) fields: Vec<Field>,
}

/// How a field looks in JSON.
pub(crate) struct Field {
    pub(crate) field: FieldDescriptor,
    /// Its key: the name with hyphens.
    pub(crate) key: String,
    /// The key of bytes that are no text; empty for other types.
    pub(crate) key_of_bytes: String,
    /// Its members stand in the object around it.
    pub(crate) flat: bool,
    /// It takes the keys that start with `X-`.
    pub(crate) others: bool,
    /// A request without it is refused.
    pub(crate) required: bool,
}

impl Field {
    /// True when it may be absent: `null` in a document is the same.
    pub(crate) fn optional(&self) -> bool {
        self.field.supports_presence()
    }

    /// True for bytes, which are a text or base64 in JSON.
    pub(crate) fn is_bytes(&self) -> bool {
        !self.key_of_bytes.is_empty()
    }

    /// True for one of several variants of the object around it.
    pub(crate) fn is_variant(&self) -> bool {
        self.flat && self.field.containing_oneof().is_some_and(|oneof| !oneof.is_synthetic())
    }

    /// The message that a flat field is.
    pub(crate) fn message(&self) -> Option<MessageDescriptor> {
        self.field.kind().as_message().cloned()
    }
}

impl Shape {
    /// True when this message, or one whose members stand in the same object, has the key.
    pub(crate) fn knows(&self, key: &str) -> bool {
        (key == "kind" && !self.kind.is_empty())
            || self.fields.iter().any(|field| match field.message() {
                Some(message) if field.flat => shape(&message).knows(key),
                _ if field.others => is_user(key),
                _ => field.key == key || field.key_of_bytes == key && field.is_bytes(),
            })
    }
}

/// True for names of user parameters.
pub(crate) fn is_user(key: &str) -> bool {
    key.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"))
}

/// The shape of a message of the contract; the empty one for a message of another package.
pub(crate) fn shape(message: &MessageDescriptor) -> &'static Shape {
    static NONE: Shape = Shape { kind: String::new(), fields: Vec::new() };
    static SHAPES: LazyLock<HashMap<String, Shape>> = LazyLock::new(|| {
        let messages = pool().all_messages().filter(|message| message.package_name() == "caxton.v1");
        messages.map(|message| (message.full_name().to_owned(), shape_of(&message))).collect()
    });
    SHAPES.get(message.full_name()).unwrap_or(&NONE)
}

fn shape_of(message: &MessageDescriptor) -> Shape {
    let options = message.options();
    let mut fields: Vec<FieldDescriptor> = message.fields().collect();
    fields.sort_by_key(|field| field.path().last().copied());
    Shape { kind: text(&options, "caxton.v1.kind"), fields: fields.into_iter().map(field_of).collect() }
}

fn field_of(field: FieldDescriptor) -> Field {
    let options = field.options();
    let key = field.name().replace('_', "-");
    let bytes = field.kind() == Kind::Bytes && field.cardinality() != Cardinality::Repeated;
    Field {
        key_of_bytes: if bytes { format!("{key}-base64") } else { String::new() },
        key,
        flat: flag(&options, "caxton.v1.flat"),
        others: flag(&options, "caxton.v1.others"),
        required: flag(&options, "caxton.v1.required"),
        field,
    }
}

fn option(options: &DynamicMessage, name: &str) -> Option<Value> {
    let extension: ExtensionDescriptor = pool().get_extension_by_name(name)?;
    options.has_extension(&extension).then(|| options.get_extension(&extension).into_owned())
}

/// An option that is a text; empty when it is not set.
pub(crate) fn text(options: &DynamicMessage, name: &str) -> String {
    option(options, name).as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn flag(options: &DynamicMessage, name: &str) -> bool {
    option(options, name).as_ref().and_then(Value::as_bool).unwrap_or(false)
}

/// The comment above what stands at a path of a file, its lines as one; empty for none.
pub fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let found = info.and_then(|info| info.location.iter().find(|location| location.path == path));
    let text = found.map(|location| location.leading_comments()).unwrap_or_default();
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The name of a value of an enum as JSON has it: without the enum's name, in lower case, with hyphens. `None` for the
/// first, which means that nothing was said.
pub(crate) fn word(descriptor: &prost_reflect::EnumDescriptor, number: i32) -> Option<String> {
    let value = descriptor.get_value(number).filter(|_| number != 0)?;
    let prefix = prefix(descriptor.name());
    let rest = value.name().strip_prefix(prefix.as_str()).unwrap_or(value.name());
    Some(rest.to_ascii_lowercase().replace('_', "-"))
}

/// The number of such a name.
pub(crate) fn number(descriptor: &prost_reflect::EnumDescriptor, word: &str) -> Option<i32> {
    descriptor
        .values()
        .map(|value| value.number())
        .find(|found| self::word(descriptor, *found).is_some_and(|name| name == word))
}

/// `AgentState` as `AGENT_STATE_`.
fn prefix(name: &str) -> String {
    let mut prefix = String::new();
    for (index, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && index > 0 {
            prefix.push('_');
        }
        prefix.push(letter.to_ascii_uppercase());
    }
    prefix.push('_');
    prefix
}
