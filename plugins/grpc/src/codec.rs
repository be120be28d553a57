//! Messages as bytes: those of the contract that are known by their descriptors, and those that are Rust types.
//!
//! Other than the library's codec these refuse malformed bytes as the client's fault, with a code.

use std::marker::PhantomData;

use caxton_plugin::{Code, Error};
use prost_reflect::{DynamicMessage, MessageDescriptor, MethodDescriptor};
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

use crate::refusal;

/// Messages of a method, by their descriptors.
pub(crate) struct Dynamic(MessageDescriptor);

impl Dynamic {
    pub(crate) fn of(method: &MethodDescriptor) -> Self {
        Self(method.input())
    }
}

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Writer<DynamicMessage>;
    type Decoder = DynamicReader;

    fn encoder(&mut self) -> Self::Encoder {
        Writer(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        DynamicReader(self.0.clone())
    }
}

/// Messages that are Rust types.
pub(crate) struct Typed<E, D>(PhantomData<(E, D)>);

impl<E, D> Default for Typed<E, D> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<E, D> Codec for Typed<E, D>
where
    E: prost::Message + Send + 'static,
    D: prost::Message + Default + Send + 'static,
{
    type Encode = E;
    type Decode = D;
    type Encoder = Writer<E>;
    type Decoder = Reader<D>;

    fn encoder(&mut self) -> Self::Encoder {
        Writer(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        Reader(PhantomData)
    }
}

/// Writes messages.
pub(crate) struct Writer<T>(PhantomData<T>);

impl<T: prost::Message> Encoder for Writer<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(buffer).map_err(|error| refusal::of(&Error::new(Code::INTERNAL, error.to_string())))
    }
}

/// Reads messages that are Rust types.
pub(crate) struct Reader<T>(PhantomData<T>);

impl<T: prost::Message + Default> Decoder for Reader<T> {
    type Item = T;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<T>, Status> {
        T::decode(buffer).map(Some).map_err(|error| malformed(&error))
    }
}

/// Reads messages by their descriptor.
pub(crate) struct DynamicReader(MessageDescriptor);

impl Decoder for DynamicReader {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        DynamicMessage::decode(self.0.clone(), buffer).map(Some).map_err(|error| malformed(&error))
    }
}

fn malformed(error: &prost::DecodeError) -> Status {
    let message =
        format!("the request is no message of its method: {error}; send it as the .proto files say");
    refusal::of(&Error::new(Code::CONTROL_REQUEST_INVALID, message))
}
