package org.mobilevitedge.core

import kotlin.test.Test
import kotlin.test.assertEquals

class ThreadStatusTest {
    private fun cores(list: String) = ThreadStatus.parse("Name:\tx\nCpus_allowed_list:\t$list\n").cores

    @Test
    fun `a thread's own status is read`() {
        val text = "Name:\tbench\nCpus_allowed:\t88\nCpus_allowed_list:\t3,6-7\nnonvoluntary_ctxt_switches:\t12\n"
        assertEquals(ThreadStatus(listOf(3, 6, 7), 12), ThreadStatus.parse(text))
    }

    @Test
    fun `what the system does not tell is null`() {
        assertEquals(ThreadStatus(null, null), ThreadStatus.parse(""))
        for (list in listOf("", "a", "3-", "7-3", "-1", "0-99999999", "1,,2")) assertEquals(null, cores(list), list)
    }
}
