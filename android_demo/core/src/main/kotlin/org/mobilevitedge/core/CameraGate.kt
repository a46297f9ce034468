package org.mobilevitedge.core

/**
 * Whether the camera should be open: while all of its needs are met, in whatever order they come and
 * go. [open] and [close] are called by turns.
 */
class CameraGate(private val open: () -> Unit, private val close: () -> Unit) {
    enum class Need { PERMISSION, SCREEN, SURFACE, MODEL }

    private val met = mutableSetOf<Need>()

    var isOpen = false
        private set

    /** A need is met from now on, or no longer. */
    fun set(need: Need, isMet: Boolean) {
        if (isMet) met += need else met -= need
        val wanted = met.size == Need.entries.size
        if (wanted == isOpen) return
        isOpen = wanted
        if (wanted) open() else close()
    }

    /** Close, and open again: the same needs, another camera. */
    fun reopen() {
        if (!isOpen) return
        close()
        open()
    }
}
