//! P2P framing and messages of the Bitcoin family, generic over a chain's dialect
