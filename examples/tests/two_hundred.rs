//! Tests that run in parallel: two hundred with a server each, and twenty that all use the same port. `tests/proof`
//! runs this file many times, and several runs at once.

use std::io::{Read, Write};
use std::net::TcpStream;

use mirakuru::readiness::Readiness;
use mirakuru::services::{self, RedisExecutor};
use mirakuru::{Executor, TcpExecutor, with_process};

/// Stores and reads a key, and asserts that the test's own server answers.
fn stores_a_key<R: Readiness>(redis: &Executor<R>, value: &str) {
    let mut connection = TcpStream::connect(redis.addr()).expect("the server is ready");
    let request = format!("SET key {value}\r\nGET key\r\nINFO server\r\nQUIT\r\n");
    connection
        .write_all(request.as_bytes())
        .expect("the server reads");
    let mut answer = String::new();
    connection
        .read_to_string(&mut answer)
        .expect("the server answers");
    let stored = format!("+OK\r\n${}\r\n{value}\r\n", value.len());
    assert!(answer.starts_with(&stored), "{answer}");
    let pid = redis.pid().expect("the server runs");
    assert!(
        answer.contains(&format!("\r\nprocess_id:{pid}\r\n")),
        "{answer}"
    );
}

macro_rules! tests_with_a_port_of_their_own {
    ($($name:ident)*) => {$(
        #[with_process(executor = services::redis())]
        #[test]
        #[cfg_attr(not(has_redis), ignore = "redis-server is not in PATH: apt-get install redis-server")]
        fn $name(redis: &RedisExecutor) {
            stores_a_key(redis, stringify!($name));
        }
    )*};
}

macro_rules! tests_that_use_one_port {
    ($($name:ident)*) => {$(
        #[with_process(tcp = "redis-server --port {port} --save '' --dir {tmpdir}", port = 16379)]
        #[test]
        #[cfg_attr(not(has_redis), ignore = "redis-server is not in PATH: apt-get install redis-server")]
        fn $name(redis: &TcpExecutor) {
            stores_a_key(redis, stringify!($name));
        }
    )*};
}

tests_with_a_port_of_their_own! {
    own_000 own_001 own_002 own_003 own_004 own_005 own_006 own_007
    own_008 own_009 own_010 own_011 own_012 own_013 own_014 own_015
    own_016 own_017 own_018 own_019 own_020 own_021 own_022 own_023
    own_024 own_025 own_026 own_027 own_028 own_029 own_030 own_031
    own_032 own_033 own_034 own_035 own_036 own_037 own_038 own_039
    own_040 own_041 own_042 own_043 own_044 own_045 own_046 own_047
    own_048 own_049 own_050 own_051 own_052 own_053 own_054 own_055
    own_056 own_057 own_058 own_059 own_060 own_061 own_062 own_063
    own_064 own_065 own_066 own_067 own_068 own_069 own_070 own_071
    own_072 own_073 own_074 own_075 own_076 own_077 own_078 own_079
    own_080 own_081 own_082 own_083 own_084 own_085 own_086 own_087
    own_088 own_089 own_090 own_091 own_092 own_093 own_094 own_095
    own_096 own_097 own_098 own_099 own_100 own_101 own_102 own_103
    own_104 own_105 own_106 own_107 own_108 own_109 own_110 own_111
    own_112 own_113 own_114 own_115 own_116 own_117 own_118 own_119
    own_120 own_121 own_122 own_123 own_124 own_125 own_126 own_127
    own_128 own_129 own_130 own_131 own_132 own_133 own_134 own_135
    own_136 own_137 own_138 own_139 own_140 own_141 own_142 own_143
    own_144 own_145 own_146 own_147 own_148 own_149 own_150 own_151
    own_152 own_153 own_154 own_155 own_156 own_157 own_158 own_159
    own_160 own_161 own_162 own_163 own_164 own_165 own_166 own_167
    own_168 own_169 own_170 own_171 own_172 own_173 own_174 own_175
    own_176 own_177 own_178 own_179 own_180 own_181 own_182 own_183
    own_184 own_185 own_186 own_187 own_188 own_189 own_190 own_191
    own_192 own_193 own_194 own_195 own_196 own_197 own_198 own_199
}

tests_that_use_one_port! {
    one_000 one_001 one_002 one_003 one_004 one_005 one_006 one_007
    one_008 one_009 one_010 one_011 one_012 one_013 one_014 one_015
    one_016 one_017 one_018 one_019
}
