from tap2key.core.processor import cpu_name, name_in, processor_name


def test_the_first_name_in_the_table_of_processors_is_taken():
    table = """processor\t: 0
vendor_id\t: AuthenticAMD
model name\t: AMD EPYC 7713: 64-Core Processor

processor\t: 1
model name\t: another
"""
    assert name_in(table) == "AMD EPYC 7713: 64-Core Processor"
    assert name_in("processor\t: 0\nHardware\t: BCM2711\n") == "BCM2711"
    assert name_in("processor : 0\n") == ""


def test_this_processor_has_a_name():
    assert cpu_name() and processor_name().startswith(cpu_name())
