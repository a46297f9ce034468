package org.mobilevitedge.core

/** What disturbs a measurement from outside, such as a call. For several threads at once. */
class Interruptions {
    private val ongoing = linkedSetOf<String>()
    private val happened = linkedSetOf<String>()

    /** Something begins that goes on until [end]. */
    @Synchronized
    fun begin(what: String) {
        ongoing += what
        happened += what
    }

    @Synchronized
    fun end(what: String) {
        ongoing -= what
    }

    /** Something has happened. */
    @Synchronized
    fun once(what: String) {
        happened += what
    }

    /** What has happened since this was asked last, or still goes on. */
    @Synchronized
    fun take(): List<String> {
        val all = (happened + ongoing).toList()
        happened.clear()
        return all
    }
}
