# Both pythons: the names of the packages that openembedded-core's python3 is split into, from its own manifest.

def stub_python_packages(d):
    import json, os
    manifest = os.path.join(d.getVar("COREBASE"), "meta/recipes-devtools/python/python3/python3-manifest.json")
    bb.parse.mark_dependency(d, manifest)
    with open(manifest) as file:
        text = file.read()
    return ["python3-" + name for name in json.loads(text[text.index("# EOC") + 5:])]
