//! Published known answers of the eleven.
//!
//! Messages and answers are those of `ShortMsgKAT_512.txt` in the submissions to the SHA-3 competition, as the Saphir
//! project's `sphlib` checks itself against them; SHAvite-3's are `sphlib`'s own, since those in its submission are wrong
//! (see `shavite`). Each hash is tried with a short message and with a whole number of blocks, which for those with blocks
//! of 128 bytes is another length than the 64 bytes that X11 gives them; and with 120 bytes, behind which there is no
//! room for the length.

use super::STAGES;

const MESSAGE_1: &str = "cc";
const MESSAGE_64: &str = "e926ae8b0af6e53176dbffcc2a6b88c6bd765f939d3d178a9bde9ef3aa131c61e31c1e42cdfaf4b4dcde579a37e150ef\
 bef5555b4c1cb40439d835a724e2fae7";
const MESSAGE_120: &str = "d1e654b77cb155f5c77971a64df9e5d34c26a3cad6c7f6b300d39deb1910094691adaa095be4ba5d86690a976428635d\
 5526f3e946f7dc3bd4dbc78999e653441187a81f9adcd5a3c5f254bc8256b0158f54673dcc1232f6e918ebfc6c51ce67\
 eaeb042d9f57eec4bfe910e169af78b3de48d137df4f2840";
const MESSAGE_128: &str = "2b6db7ced8665ebe9deb080295218426bdaa7c6da9add2088932cdffbaa1c14129bccdd70f369efb149285858d2b1d15\
 5d14de2fdb680a8b027284055182a0cae275234cc9c92863c1b4ab66f304cf0621cd54565f5bff461d3b461bd40df281\
 98e3732501b4860eadd503d26d6e69338f4e0456e9e9baf3d827ae685fb1d817";

/// Hash, message, answer.
#[rustfmt::skip]
const ANSWERS: [(&str, &str, &str); 32] = [
    ("blake", MESSAGE_1,
     "4f0ef594f20172d23504873f596984c64c1583c7b2abb8d8786aa2aeeae1c46c744b61893d661b0733b76d1fe19257dd\
      68e0ef05422ca25d058dfe6c33d68709"),
    ("blake", MESSAGE_64,
     "ec1270cb5c96df2106a9c4f694ad6dc8d83a8ae1c375b613a447b95e2a09e76d1a32c73cae58ef8c6822ad7ba50aabba\
      00f01de11ac3606fabb67fadbb5be530"),
    ("blake", MESSAGE_120,
     "4aa70e2e777ba0879c79e7c2cd1492d948c89141827f776099e4672140ac09a4f77b6c4a2989c58c1340ddbb504c6f90\
      ab695bdf77e9fdb45fe7ce4a1b18dcf2"),
    ("blake", MESSAGE_128,
     "708dbd20edbd4cb8d1127e8ed75d8b89f7507c15b3eadbc8a2a0a352d8801dfda778d9c0a96b04c517cc8565ba28b626\
      0b788a5ea0c8cd7091d3cc75036b412e"),
    ("bmw", MESSAGE_1,
     "0309cd7a44e6022671e84c43cdb92f613931d1c6b71467c039034b1263c2bf92203e27604bc53fcea9c2df3b10862c9b\
      6fb6e8c617754ef49a2b80f51c74acd3"),
    ("bmw", MESSAGE_64,
     "548d7a65d8beebe56c466da17f8dd80722a7a2a59352465a150f58c1cdc75e8049f5734ea16f32f5ce5b339cdfd99d93\
      0d20a6b8655b6f20de4e7e7438c405e8"),
    ("bmw", MESSAGE_120,
     "5ceee2800816ddf676bbd3c8b7d95012808e62a1838cd292893b05085dd08b95ea245fb84283bef479fd0e2b8bf9dd1b\
      a722344e83dc391a85aee2c930f985c5"),
    ("bmw", MESSAGE_128,
     "447c299f7e5c90cee70a7577ec148fef194f40ba7c3c8cbc96ff81d14490a16e397ca01f3c0883e050f805239fbd4189\
      122b45b1101ee1f303281d2ac1580e2c"),
    ("groestl", MESSAGE_1,
     "b23eeeb675c272c6e37a6ee9ab4dc505c9d6a10020f6bed3948205d04cdd1e90b06e494d186ef4f19266d7da200c89dc\
      009e2b1a538cdea199e773fc076f802e"),
    ("groestl", MESSAGE_64,
     "e8eeddef7104f8ee0a93c4be5028db073b7ac44b73787b3adcafdb8aade084c19550ebb1d968e2b26b9f99ba48d5686e\
      1d7658725f6934a845cb5ee475b8b7f0"),
    ("skein", MESSAGE_1,
     "26d8382ebdc39072293ddcdda6568b4add2449a05424a12dfbf11595228e9fbf7c542f25ec0f7348b19ad23ef5e97d45\
      e5cff7bb9969be332923f33be53a6d09"),
    ("skein", MESSAGE_64,
     "2df35398690d99075bc67bde85d7cdf512df9f05fff16cfd1aef3f7e641961e60daf81fd8f9a625fe9149866fdc69f73\
      c58aae9f758ab5ea3011c67649e3f0b0"),
    ("jh", MESSAGE_1,
     "277c93806945992a7f10102f28471af2783fe32003b3f63320810e74f1bc233bf8669ab4b922db9ef13fcdcd4d31193b\
      731eedde98fc87c129c04a4a1071f66f"),
    ("jh", MESSAGE_64,
     "d1dbacb16c6a88bea992cd34f92d1375f05215037cf989e155d324d6d1e4204320cf18c1ad6bf11019cdd112bac3c7cb\
      73e41a94254b8c5af3db8245318ffc70"),
    ("keccak", MESSAGE_1,
     "8630c13cbd066ea74bbe7fe468fec1dee10edc1254fb4c1b7c5fd69b646e44160b8ce01d05a0908ca790dfb080f4b513\
      bc3b6225ece7a810371441a5ac666eb9"),
    ("keccak", MESSAGE_64,
     "c0a4d8dca967772dbf6e5508c913e7beba1b749a2b1ac963d0676e6f1dcd4ebaa3f909ef87dd849882dc8253347a5f65\
      20b5b9f510973f443976455f923cfcb9"),
    ("luffa", MESSAGE_1,
     "91f1b09b2842871bc2f069e5d278d2d707ddafabfe3ced5154faf841e96781908290e6533d146183e8b7ec298f6da20e\
      0cfb1d41f4f711a3050faa8dd4641f7f"),
    ("luffa", MESSAGE_64,
     "e18b08234bed8586b8d40314dc2854086d8d85ddf83b321800b4039bf162fc4ab9229ca3d34f5c554e8409ef70a50c13\
      164d00094142a6139b36e3ab911c81de"),
    ("cubehash", MESSAGE_1,
     "5c3019f2abc3471ed3a19648071cf2311503dc4202508f8d3efcb1023fd895505c4d634c1ae9d9f81de6394690366154\
      c715bf8d68242b2c64e1ebb1e538b330"),
    ("cubehash", MESSAGE_64,
     "c096f535cab880f0d77d6aff91fcbdc863cac17fd5177122e2b9c5a0063a6182dcb1f0086618b80fe4c02872dc3ab6ab\
      8cb2608d19d904935b392c20c520fdba"),
    ("shavite", MESSAGE_1,
     "3fe519289541f0ec62f2247b55844f9dfce6d008c9062e4ae2821a0dd9e47b7e37e9b859e1b2d0e0cf1090c68223034c\
      94314a190b92bf71f3810ee32b2732e6"),
    ("shavite", MESSAGE_64,
     "70c537a050bfba2d977148e5bf5475774aa6438c0141994bb0f484c00e310d11517511b92a6af06462ba5c89165633ef\
      d4ff2ba101e75c171de23e162bb13dff"),
    ("shavite", MESSAGE_120,
     "82c9135b49ce635df19c30648c1505c15eea9dab7c8fb6ff8eb299df1bf634500841ed6160d7a1e9cb259093b90a46c4\
      f4a817a175b3bb1dabb5971c3ccf5a02"),
    ("shavite", MESSAGE_128,
     "14732b9fbf23b86b9ec182a29893de5c58d91f61361cbbedec03220afa974538ac891de4408a0d82de63319fdf23364e\
      a0768920cfab82563358d924b6977ce3"),
    ("simd", MESSAGE_1,
     "6fd2d5e6104bd3966283321234cd40f4ed380cb53a03911b610746466c10a93e41c9b745c79dfde3275980fe82fc8372\
      efc406a9b0bdc8c63a375954e63436e2"),
    ("simd", MESSAGE_64,
     "f1c23c1573c37f1491606318203057fea497cc96edd0b307365e76f4f80624dc618c1726b37896f79a19ee48801dfe17\
      cbce495c77c2b4ea5d9baee6b3c3f19e"),
    ("simd", MESSAGE_120,
     "54ae2d6aa6722afac3e3ac1a0d03584a30762a830fca2235aa63ff529a27d4ad8bcd25b8feeb9f49d2b2faf04a822256\
      2f4b7592a573af22a433238b4e156f09"),
    ("simd", MESSAGE_128,
     "71dde0f958761d254257b2c1517f5f57c12d78a5f62b830124d99241eb536c7d9a1421d226b92522b287566f26b28670\
      da96cdce7d5179d9ad3c470d98dfad5e"),
    ("echo", MESSAGE_1,
     "dfce37ca6f32ba4c3a72e77bca20e511a39b31a6075815f083db2ecfd5c32cfd6a4e0dd9bd51921199758edd2fe8ed0f\
      a31e06aa821c7030653d15408e8728dd"),
    ("echo", MESSAGE_64,
     "ec6e7384fa2c16f125a736f57c936d07044a0ac2ebb3ef4adc2775168f94f7a837dc5125aad549f02af856c19198f0e7\
      0f329cade4c319b6ec91c5fc82b6eeb9"),
    ("echo", MESSAGE_120,
     "1c7d3e1437fd7334d50a88d4d1d6b693e7ddc9c967f25b993ec0c29e81dd1994004af875835715abe06081408c5a978f\
      c5ad2af5ee267603455a345a9d2213e7"),
    ("echo", MESSAGE_128,
     "f286dbf18d8320b44098e99be7b974ebdf0da2c7b6e580bce54f6a27e2a114de140e4f49802d79008ec5f405f58f1707\
      7f24d5da007a24db96c72dce2343991e"),
];

#[test]
fn every_stage_gives_the_published_answers() {
    for (name, message, answer) in ANSWERS {
        let (_, hash) = STAGES.iter().find(|(stage, _)| *stage == name).expect("one of the eleven");
        let message = recordings::unhex(message);
        assert_eq!(recordings::hex(&hash(&message)), answer, "{name} of {} bytes", message.len());
    }
    for (stage, _) in STAGES {
        assert!(ANSWERS.iter().filter(|(name, ..)| *name == stage).count() >= 2, "{stage}");
    }
}

#[test]
fn no_two_lengths_of_zeros_have_the_same_hash() {
    for (name, hash) in STAGES {
        let hashes: std::collections::HashSet<_> = (0..=300).map(|length| hash(&vec![0; length])).collect();
        assert_eq!(hashes.len(), 301, "{name}");
    }
}
