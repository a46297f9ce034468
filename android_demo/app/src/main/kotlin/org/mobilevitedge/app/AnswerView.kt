package org.mobilevitedge.app

import android.content.Context
import android.graphics.Canvas
import android.graphics.Paint
import android.graphics.RectF
import android.view.View
import java.util.Locale
import org.mobilevitedge.core.ClassScore

/** The best classes of an image, a bar each. */
class AnswerView(context: Context) : View(context) {
    private val density = resources.displayMetrics.density
    private val text = Paint(Paint.ANTI_ALIAS_FLAG).apply {
        color = context.getColor(R.color.ink)
        textSize = 16 * resources.displayMetrics.scaledDensity
    }
    private val bar = Paint(Paint.ANTI_ALIAS_FLAG).apply { color = context.getColor(R.color.bar) }
    private val box = RectF()
    private var classes: List<ClassScore> = emptyList()

    /** Show these, best first; none clears the view. */
    fun show(classes: List<ClassScore>) {
        this.classes = classes
        contentDescription = classes.joinToString { "${it.label} ${percent(it)}" }
        invalidate()
    }

    override fun onMeasure(widthSpec: Int, heightSpec: Int) {
        val height = (COUNT * rowHeight()).toInt()
        setMeasuredDimension(getDefaultSize(suggestedMinimumWidth, widthSpec), resolveSize(height, heightSpec))
    }

    override fun onDraw(canvas: Canvas) {
        val row = rowHeight()
        val gap = 2 * density
        for ((number, score) in classes.withIndex()) {
            val top = number * row
            box.set(0f, top + gap, width * score.probability.toFloat(), top + row - gap)
            canvas.drawRoundRect(box, 4 * density, 4 * density, bar)
            val line = top + row / 2 - (text.ascent() + text.descent()) / 2
            val percent = percent(score)
            val room = width - text.measureText(percent) - 16 * density
            val label = score.label.take(text.breakText(score.label, true, room - 8 * density, null))
            canvas.drawText(label, 8 * density, line, text)
            canvas.drawText(percent, room + 8 * density, line, text)
        }
    }

    private fun rowHeight() = text.fontSpacing * 1.5f

    private fun percent(score: ClassScore) = String.format(Locale.getDefault(), "%.1f %%", score.probability * 100)

    companion object {
        /** How many classes are shown. */
        const val COUNT = 5
    }
}
