require dynamic-layers/no-meta-python/python3-httptools.inc

SRC_URI[sha256sum] = "abd72556974f8e7c74a259655924a717a2365b236c882c3f6f8a45fe94703ac9"

inherit python_setuptools_build_meta

# It asks for one exact version of setuptools; the release's own builds it as well.
PEP517_BUILD_OPTS = "--skip-dependency-check"

# Without NEON: llhttp's search by vectors takes ctz of 0, which is undefined; on 32-bit ARM each header value of more than
# 16 characters is then refused. It does not compile there either, but for -flax-vector-conversions.
# nooelint: oelint.vars.specific - arm is an override of every 32-bit machine
CFLAGS:append:arm = " -U__ARM_NEON__"
