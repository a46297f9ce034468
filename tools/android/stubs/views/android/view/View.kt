package android.view

import android.content.Context
import android.content.res.Resources
import android.graphics.Canvas

/** What a view that draws itself needs of the system's, whose measuring it follows. */
open class View(val context: Context) {
    val resources: Resources = context.resources
    var contentDescription: CharSequence? = null
    var width = 0
        private set
    var height = 0
        private set

    protected val suggestedMinimumWidth = 0

    fun invalidate() = Unit

    fun requestLayout() = Unit

    /** Not in the real API: as high as it wants to be, at this width. */
    fun measure(across: Int) {
        width = across
        onMeasure(across, 0)
    }

    /** Not in the real API: of this size, like a view that covers another. */
    fun measure(across: Int, down: Int) {
        width = across
        height = down
    }

    fun draw(canvas: Canvas) = onDraw(canvas)

    protected open fun onMeasure(widthSpec: Int, heightSpec: Int) = Unit

    protected open fun onDraw(canvas: Canvas) = Unit

    protected fun setMeasuredDimension(across: Int, down: Int) {
        width = across
        height = down
    }

    companion object {
        fun getDefaultSize(size: Int, spec: Int): Int = if (spec > 0) spec else size

        fun resolveSize(size: Int, spec: Int): Int = if (spec > 0) spec else size
    }
}
