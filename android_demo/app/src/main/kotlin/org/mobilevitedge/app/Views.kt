package org.mobilevitedge.app

import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.Intent
import android.content.res.Configuration
import android.view.View
import android.view.ViewGroup
import android.widget.Button
import android.widget.FrameLayout
import android.widget.LinearLayout
import android.widget.TextView

/** Make [view] the screen, beside the system's bars and not below them; an arrow leads back to the first screen. */
fun Activity.showScreen(view: View) {
    view.fitsSystemWindows = true
    setContentView(view)
    actionBar?.setDisplayHomeAsUpEnabled(parentActivityIntent != null)
}

/** Views below one another. */
fun Activity.column(views: List<View>) = LinearLayout(this).apply {
    orientation = LinearLayout.VERTICAL
    val edge = pixels(16)
    setPadding(edge, edge, edge, edge)
    for (view in views) addView(view, LinearLayout.LayoutParams(LinearLayout.LayoutParams.MATCH_PARENT, LinearLayout.LayoutParams.WRAP_CONTENT))
}

/** Two views, each with half of the screen: beside each other where it is wide. */
fun Activity.halves(first: View, second: View) = LinearLayout(this).apply {
    val isWide = resources.configuration.orientation == Configuration.ORIENTATION_LANDSCAPE
    orientation = if (isWide) LinearLayout.HORIZONTAL else LinearLayout.VERTICAL
    val (fill, wrap) = Pair(ViewGroup.LayoutParams.MATCH_PARENT, ViewGroup.LayoutParams.WRAP_CONTENT)
    for (view in listOf(first, second)) {
        addView(view, if (isWide) LinearLayout.LayoutParams(0, wrap, 1f) else LinearLayout.LayoutParams(fill, wrap))
    }
}

/** A view over another, of its size. */
fun Activity.over(below: View, above: View) = FrameLayout(this).apply {
    val (fill, wrap) = Pair(ViewGroup.LayoutParams.MATCH_PARENT, ViewGroup.LayoutParams.WRAP_CONTENT)
    addView(below, FrameLayout.LayoutParams(fill, wrap))
    addView(above, FrameLayout.LayoutParams(fill, fill))
}

/** A button with the text of a resource. */
fun Activity.button(text: Int, action: () -> Unit) = Button(this).apply {
    setText(text)
    setOnClickListener { action() }
}

/** A text of one of the app's colors and sizes. */
fun Activity.label(size: Float = 16f, color: Int = R.color.ink) = TextView(this).apply {
    textSize = size
    setTextColor(getColor(color))
}

/** Device-independent units as pixels. */
fun Activity.pixels(units: Int): Int = (units * resources.displayMetrics.density).toInt()

/** Start the first of [intents] that some app answers to; false if none does. */
fun Activity.startFirst(request: Int, vararg intents: Intent): Boolean = intents.any { intent ->
    try {
        startActivityForResult(intent, request)
        true
    } catch (error: ActivityNotFoundException) {
        false
    }
}
